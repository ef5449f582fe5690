import { join } from 'node:path';
import type { Query } from '@anthropic-ai/claude-agent-sdk';
import { messageOf } from '../../errors.ts';
import type { AgentEvents, AgentProcess, Spent, StartOptions } from '../agent.ts';
import { configDir } from '../environment.ts';
import type { Price } from '../tally.ts';
import { createChanges } from './changes.ts';
import { controls } from './controls.ts';
import type { Host } from './host.ts';
import type { Inbox } from './inbox.ts';
import { readMessages } from './messages.ts';
import type { Recording } from './mirror/mirror.ts';
import { createResultReader } from './results.ts';
import { createSpending } from './spending.ts';
import { takenFrom } from './taken.ts';
import type { ModelUsage } from './totals.ts';

/** The conversation with one process, from its first message on. */
export interface AgentConversation {
  /** Settles when the process sends no more messages. */
  reading: Promise<void>;
  /** The SDK's reason if the conversation broke off, otherwise empty. */
  reported(): string;
  /** Ends the process and everything it started. */
  close(): Promise<void>;
  /** The process is ready: returns it as the session's. */
  ready(): AgentProcess;
}

/**
 * Reads the messages of a process and dispatches them.
 * @param saved the totals that the process starts from
 */
export function converse(
  sdk: Query,
  host: Host,
  inbox: Inbox,
  { price, saved, recording }: { price: Price; saved: ModelUsage; recording: Recording | undefined },
  options: StartOptions,
  events: AgentEvents,
): AgentConversation {
  const { meter, explain } = host.link;
  const isBooked = meter !== undefined;
  const spending = createSpending(Promise.resolve(saved), price);
  const cut = async (): Promise<Spent> => ({
    spent: meter ? await meter.take() : await spending.cut(),
    isBooked,
  });
  const close = async (): Promise<void> => {
    inbox.end();
    sdk.close();
    host.abort();
    await host.owned()?.end();
    await recording?.end();
  };
  /** Messages that the process was given, and did not say that it has taken. */
  const given = new Set<string>();
  const changes = createChanges(sdk, events);
  const readResult = createResultReader({
    spentBy: meter ? () => meter.take() : spending.upTo,
    isBooked,
    explain,
  });
  let reported = '';
  const reading = readMessages(
    sdk,
    {
      ...events,
      onTaken(turnId) {
        given.delete(turnId);
        recording?.taken(turnId);
        events.onTaken(turnId);
      },
      onConversation(conversationId, trigger) {
        recording?.moved(conversationId);
        events.onConversation(conversationId, trigger);
      },
    },
    async (message) => {
      await changes.atEnd(message);
      const end = await readResult(message);
      // Whoever hears of the end may ask another node next.
      await recording?.turnEnds();
      return end;
    },
    (message) => {
      changes.see(message);
      host.answers.see(message);
      recording?.wrote();
      if (!meter) spending.see(message);
    },
    options.parked?.turnId,
  ).catch((error: unknown) => {
    reported = messageOf(error);
  });

  return {
    reading,
    reported: () => reported,
    close,
    ready() {
      changes.begin();
      inbox.ready();
      const owned = host.owned();
      const gone = Promise.all([reading, owned?.exited]).then(async ([, exit]) => {
        await owned?.end();
        await recording?.end();
        const unreported = await cut();
        const projects = join(configDir(host.env), 'projects');
        const taken = given.size > 0 ? await takenFrom(projects, options.conversationId, [...given]) : [];
        host.link.end();
        events.onExit({
          cut: unreported,
          taken,
          code: exit?.code ?? null,
          signal: exit?.signal ?? null,
          words: [reported, owned?.words()].filter(Boolean).join('; '),
          stopped: owned?.stopped(),
        });
      });
      return {
        ...controls(sdk),
        setModel: changes.setModel,
        pid: owned?.child.pid,
        send(turnId, input) {
          given.add(turnId);
          inbox.push(turnId, input);
        },
        cut,
        async kill() {
          owned?.child.kill('SIGKILL');
          await owned?.exited;
          await close();
          await gone;
        },
        async close() {
          await close();
          await gone;
        },
      };
    },
  };
}
