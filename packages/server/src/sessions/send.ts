import { randomUUID } from 'node:crypto';
import type { UserInput, WaitFor } from 'claude-agent-protocol';
import type { Agent } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { Store, TurnRecord } from '../store/store.ts';
import type { Policy } from './policy.ts';
import type { ProcessHandle } from './process.ts';
import type { SessionActor } from './session-actor.ts';
import { checkUndivided } from './transcript.ts';

export interface SendRequest {
  input: UserInput;
  /** Tells a retry from another message under the same key. */
  inputHash: string;
  idempotencyKey: string | null;
  whenBusy: 'queue' | 'reject' | 'interrupt';
  waitFor: WaitFor;
  /** Go on although somebody else has gone on with the conversation. */
  force: boolean;
}

export interface Sent {
  turn: TurnRecord;
  /** The idempotency key was used before: this is the turn of that time. */
  replayed: boolean;
}

export interface SendingDeps {
  id: string;
  store: Store;
  agent: Agent;
  policy: Policy;
  actor: SessionActor;
  process: ProcessHandle;
  /** @throws AppError when the session takes no messages */
  requireOpen(): void;
}

export interface Sending {
  /** Accepts a message: when this settles, the turn is durable. */
  send(request: SendRequest): Promise<Sent>;
  /** Looks whether nobody else has gone on with the conversation. @throws AppError 409, unless forced */
  undivided(force: boolean): Promise<void>;
}

/** What has to hold before a message is accepted; whether and how it is accepted is the machine's decision. */
export function createSending(deps: SendingDeps): Sending {
  const { id, store, agent, policy, actor, process, requireOpen } = deps;
  const { state } = actor;

  const isIdle = (): boolean => !state().current && !state().own && state().queue.length === 0;

  const replay = async (key: string | null, hash: string): Promise<Sent | undefined> => {
    const turn = key === null ? undefined : await store.getTurnByKey(id, key);
    if (!turn) return undefined;
    if (turn.inputHash === hash) return { turn, replayed: true };
    throw problem('idempotency_conflict', { key });
  };

  let checking: Promise<void> | undefined;
  /**
   * What keeps the agent from starting keeps a message from being accepted, too. Messages that come at once wait for
   * the same check, so that they keep their order.
   */
  const startable = (): Promise<void> => {
    checking ??= policy.checkStart(state().record).finally(() => {
      checking = undefined;
    });
    return checking;
  };

  let looking: Promise<void> | undefined;
  /** Whether the conversation is still this session's alone; as with startable, who comes meanwhile waits too. */
  const undivided = (force: boolean): Promise<void> => {
    looking ??= look(force).finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const look = async (force: boolean): Promise<void> => {
    // What runs is not disturbed; the next message finds out.
    if (!isIdle()) return;
    const isLive = process.live() !== undefined;
    const { seen, diverged } = await checkUndivided({ store, agent }, state().record, { isLive, force });
    // A process that runs does not know what the other one said; the next one does.
    if (diverged && isLive) await process.end();
    if (seen === undefined || seen === state().record.transcriptSeen) return;
    await actor.written({ kind: 'transcript-seen', size: seen, diverged });
  };

  return {
    undivided,

    async send({ force, ...message }) {
      const { idempotencyKey, inputHash } = message;
      const known = await replay(idempotencyKey, inputHash);
      if (known) return known;
      requireOpen();
      if (!process.live()) await startable();
      if (looking || isIdle()) await undivided(force);
      const outcome = await actor.call({ kind: 'send', turnId: randomUUID(), ...message });
      if (outcome.ok) {
        const accepted = outcome.effects.find((effect) => effect.kind === 'turn-accepted');
        if (accepted) return { turn: accepted.turn, replayed: false };
      }
      // Only the key can be refused: the same request came twice at the same time.
      const twin = await replay(idempotencyKey, inputHash);
      if (twin) return twin;
      throw problem('message_refused');
    },
  };
}
