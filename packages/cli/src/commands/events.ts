import { isDurable } from 'claude-agent-client';
import type { SessionEvent } from 'claude-agent-protocol';
import { isTurnEnd } from 'claude-agent-protocol/reasons';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { oneLine } from '../term/text.ts';
import { toolArgument, toolTitle } from '../view/tools.ts';
import { sessionArgument } from './show.ts';

/** `claude-agent events ID [--follow] [--after N]`: a session's log, a line an event. */
export async function events({ args, client, stdout, stderr }: Context): Promise<ExitCode> {
  const id = sessionArgument(args.rest, 'events');
  const write = (event: SessionEvent): void => {
    stdout.write(`${args.json ? JSON.stringify(event) : describe(event)}\n`);
  };
  const session = client.session(id);
  const { last_seq: last } = await session.info();
  const after = args.after ?? 0;
  if (!args.follow && after >= last) return EXIT.done;

  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const frames = session.events({
    after,
    signal: stop.signal,
    onConnection: (connection) => {
      if (connection.state === 'retrying') stderr.write('The connection was lost; trying again…\n');
    },
  });
  for await (const frame of frames) {
    if (!isDurable(frame)) continue;
    write(frame);
    if (!args.follow && frame.seq >= last) break;
  }
  process.off('SIGINT', onSignal);
  process.off('SIGTERM', onSignal);
  return stop.signal.aborted ? EXIT.interrupted : EXIT.done;
}

function describe(event: SessionEvent): string {
  return `${String(event.seq).padStart(6)}  ${event.at}  ${event.type.padEnd(20)}  ${oneLine(summary(event)).slice(0, 200)}`;
}

function summary(event: SessionEvent): string {
  if (isTurnEnd(event) || event.type === 'turn.settled') {
    return event.data.result.messages.flatMap((m) => (m.type === 'text' ? [m.content] : [])).at(-1) ?? '';
  }
  switch (event.type) {
    case 'turn.queued':
      return typeof event.data.message === 'string' ? event.data.message : JSON.stringify(event.data.message);
    case 'session.tasks':
      return event.data.tasks.map((task) => task.description).join(', ');
    case 'permission.requested':
      return `${toolTitle(event.data.tool_name)}(${toolArgument(event.data.tool_name, event.data.tool_input)})`;
    case 'permission.resolved':
      return `${event.data.state} (${event.data.reason})`;
    case 'session.state':
      return event.data.state;
    case 'agent.message':
      return `${event.data.type} ${JSON.stringify(event.data.message ?? event.data.subtype ?? '')}`;
    default:
      return JSON.stringify(event.data);
  }
}
