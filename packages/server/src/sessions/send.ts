import { randomUUID } from 'node:crypto';
import type { UserInput, WaitFor, WhenBusy } from 'claude-agent-protocol';
import type { LimitKeeper } from '../access/limits.ts';
import type { Agent } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { Origin, Origins } from '../observe/origins.ts';
import type { Change, Store, TurnRecord } from '../store/store.ts';
import type { Policy } from './policy.ts';
import type { ProcessHandle } from './process.ts';
import type { QueueLimit } from './queue-limit.ts';
import type { SessionActor } from './session-actor.ts';
import { inspectTranscript } from './transcript.ts';

export interface SendRequest {
  input: UserInput;
  /** Tells a retry from another message under the same key. */
  inputHash: string;
  idempotencyKey: string | null;
  whenBusy: WhenBusy;
  waitFor: WaitFor;
  /** Continue even if another program has continued the conversation. */
  force: boolean;
  /** What sent it, for logs and traces. */
  origin?: Origin;
}

export interface Sent {
  turn: TurnRecord;
  /** The idempotency key was used before, and this is its turn. */
  replayed: boolean;
}

export interface SendingDeps {
  id: string;
  store: Store;
  agent: Agent;
  policy: Policy;
  actor: SessionActor;
  process: ProcessHandle;
  queueLimit: QueueLimit;
  limits: Pick<LimitKeeper, 'room' | 'refusal' | 'requireDay'>;
  origins: Pick<Origins, 'note'>;
  /** @throws AppError when the session takes no messages */
  requireOpen(): void;
}

export interface Sending {
  /** Accepts a message: when this settles, the turn is durable. */
  send(request: SendRequest): Promise<Sent>;
  /** A message is accepted: from now on its session's state counts it. */
  accepted(turnId: string): void;
  /** Checks that no other program has continued the conversation. @throws AppError 409, unless forced */
  checkDivergence(force: boolean): Promise<void>;
}

/** The checks before a message is accepted; accepting it is the machine's decision. */
export function createSending(deps: SendingDeps): Sending {
  const { id, store, agent, policy, actor, process, requireOpen, queueLimit, limits, origins } = deps;
  const { state } = actor;

  /** What ends the arrival of messages that are not committed yet, by turn. */
  const arriving = new Map<string, () => void>();

  const isIdle = (): boolean => !state().current && !state().own && state().queue.length === 0;

  const accepted = (turnId: string): void => {
    arriving.get(turnId)?.();
    arriving.delete(turnId);
  };

  const replay = async (key: string | null, hash: string): Promise<Sent | undefined> => {
    const turn = key === null ? undefined : await store.getTurnByKey(id, key);
    if (!turn) return undefined;
    if (turn.inputHash === hash) return { turn, replayed: true };
    throw problem('idempotency_conflict', { key });
  };

  let checking: Promise<void> | undefined;
  /**
   * A message is accepted only if the agent could start. Messages that arrive together share one check, so that they
   * keep their order.
   */
  const checkStartable = (): Promise<void> => {
    checking ??= policy.checkStart(state().record).finally(() => {
      checking = undefined;
    });
    return checking;
  };

  let counting: Promise<Change[]> | undefined;
  /** What keeps the limits of the session's owner; messages that arrive together share this, too. @throws AppError 402, 429 */
  const checkLimits = (): Promise<Change[]> => {
    const check = async (): Promise<Change[]> => {
      const { record } = state();
      await limits.requireDay(record);
      return limits.room('queued_turns', record);
    };
    counting ??= check().finally(() => {
      counting = undefined;
    });
    return counting;
  };

  let looking: Promise<void> | undefined;
  /** Checks that the conversation is still this session's alone; messages that arrive together share this check too. */
  const checkDivergence = (force: boolean): Promise<void> => {
    looking ??= look(force).finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const look = async (force: boolean): Promise<void> => {
    // A running turn is not disturbed; the next message finds out.
    if (!isIdle()) return;
    // A process of ours that is just being ended still has the conversation open.
    await process.gone();
    const isLive = process.live() !== undefined;
    const { seen, diverged } = await inspectTranscript({ store, agent }, state().record, { isLive, force });
    // The running process does not know the other program's messages; the next one will.
    if (diverged && isLive) await process.end();
    if (seen === undefined || seen === state().record.transcriptSeen) return;
    await actor.written({ kind: 'transcript-seen', size: seen, diverged });
  };

  return {
    checkDivergence,
    accepted,

    async send({ force, origin, ...message }) {
      const { idempotencyKey, inputHash } = message;
      const known = await replay(idempotencyKey, inputHash);
      if (known) return known;
      requireOpen();
      const room = await checkLimits();
      if (!process.live()) await checkStartable();
      if (looking || isIdle()) await checkDivergence(force);
      const turnId = randomUUID();
      if (origin) origins.note(turnId, origin);
      const isBusy = !isIdle() || arriving.size > 0;
      const hasProcess = process.isUp() && !process.needsPermit();
      arriving.set(turnId, queueLimit.admit({ isBusy, hasProcess }));
      const outcome = await actor
        .call({ kind: 'send', turnId, room, ...message })
        .finally(() => accepted(turnId));
      if (outcome.ok) {
        const accepted = outcome.effects.find((effect) => effect.kind === 'turn-accepted');
        if (accepted) return { turn: accepted.turn, replayed: false };
      }
      // The store refuses a duplicate key, when the same request arrived twice at once, and what is beyond a limit.
      const twin = await replay(idempotencyKey, inputHash);
      if (twin) return twin;
      if (room.length > 0) throw await limits.refusal('queued_turns', state().record);
      throw problem('message_refused');
    },
  };
}
