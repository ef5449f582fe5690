import { event } from '../../events/log.ts';
import type { TurnRecord } from '../../store/store.ts';
import type { Of } from './commands.ts';
import { assign, type Draft } from './draft.ts';
import { answered, type State } from './state.ts';

/**
 * Messages that are given to the turn that runs. The agent has a queue of its own, and takes from it between two steps
 * of a turn. Measured on 2.1.330, for message B while the turn of A runs:
 *
 * - `command_lifecycle` says `queued` for B at once. If B is taken into the turn it says `started` before the next model
 *   call, later `completed`; A's result names A in `user_message_uuid`, and A and B in `user_message_uuids`.
 * - If the turn ends first, B stays in the agent's queue: `started` follows A's result within 10 ms, then `init` and a
 *   result that names B. So B must not be sent again: its own turn begins as one that the agent has already.
 * - Several that are left become one turn: `started` for each, and a result that names the last in `user_message_uuid`,
 *   and all in `user_message_uuids`, the first one first.
 * - A process that dies may have taken B without telling: its transcript then has an attachment `queued_command` with B's
 *   id as `source_uuid`, or B as a prompt under its id (agent/claude/taken.ts). Where that transcript is on another machine
 *   (a node of several was lost), B counts as taken: its turn ends as interrupted, and B must not run twice.
 * - An interrupt leaves B in the queue (the receipt lists it as `still_queued`), and the agent goes on with it. With
 *   `cancelQueued` it is dropped: `cancelled` in the receipt lists it. `cancelAsyncMessage` drops B alone.
 */

/** The turn that a message can be given to; undefined when none runs, or it is about to end. */
export function steerable({ current, own, closing, draining }: State): TurnRecord | undefined {
  const running = current && own ? undefined : (current ?? own);
  return running && !running.stop && !closing && !draining ? running.turn : undefined;
}

/** Accepts a message for the running turn, and gives it to the agent if there is one. */
export function steer(draft: Draft, message: TurnRecord): void {
  const data = { message_id: message.id, message: message.input };
  draft.changes.push(event(message.sessionId, 'turn.steering', data, message.steers, draft.at));
  assign(draft, { steering: [...draft.state.steering, message] });
  const { current, parked } = draft.state;
  if (!parked && current?.phase !== 'starting') handOver(draft);
}

/** Gives the agent the messages for the running turn that it does not have yet. */
export function handOver(draft: Draft): void {
  const { steering, handed, process, current, own } = draft.state;
  const running = (current ?? own)?.turn.id;
  if (process === undefined) return;
  const kept = steering.filter(({ id, steers }) => steers === running && !handed.includes(id));
  assign(draft, { handed: [...handed, ...kept.map(({ id }) => id)] });
  for (const { id, input } of kept)
    draft.effects.push({ kind: 'send-to-agent', turnId: id, as: id, input, process });
}

/** The agent takes a message into the turn that it works on. */
export function takeSteered(draft: Draft, { turnId }: Of<'turn-taken'>): void {
  const { steering, queue, handed } = draft.state;
  const message = [...steering, ...queue].find(({ id }) => id === turnId);
  const into = answered(draft.state)?.turn.id;
  if (message && into !== undefined && handed.includes(turnId)) putInto(draft, message, into);
}

/**
 * The agent had taken these when it died, by its transcript, or may have: they went into the turn that ran, and must not be
 * sent again.
 */
export function takeLate(draft: Draft, messages: readonly TurnRecord[]): void {
  const into = (draft.state.current ?? draft.state.own)?.turn.id;
  if (into === undefined) return;
  for (const message of messages) if (message.id !== into) putInto(draft, message, into);
}

function putInto(draft: Draft, message: TurnRecord, into: string): void {
  const { id, sessionId, input } = message;
  forget(draft, id);
  const set = { state: 'steered', steers: into } as const;
  draft.changes.push(
    { kind: 'update-turn', sessionId, id, from: ['queued'], set },
    event(sessionId, 'turn.steered', { message_id: id, message: input }, into, draft.at),
  );
  draft.effects.push({ kind: 'message-steered', message: { ...message, ...set } });
}

/** A turn has ended: what it was given, and the agent has not taken, becomes ordinary messages. They go first. */
export function returnSteered(draft: Draft, turnId: string): void {
  const left = draft.state.steering.filter(({ steers }) => steers === turnId);
  if (left.length === 0) return;
  for (const { id, sessionId, input } of left) {
    draft.changes.push(
      { kind: 'update-turn', sessionId, id, from: ['queued'], set: { steers: null } },
      event(sessionId, 'turn.queued', { message: input, steered: turnId }, id, draft.at),
    );
  }
  assign(draft, {
    steering: draft.state.steering.filter(({ steers }) => steers !== turnId),
    queue: [...left.map((message) => ({ ...message, steers: null })), ...draft.state.queue],
  });
}

/** A message waits no more, neither here nor at the agent. */
export function forget(draft: Draft, messageId: string): void {
  const { steering, queue, handed } = draft.state;
  assign(draft, {
    steering: steering.filter(({ id }) => id !== messageId),
    queue: queue.filter(({ id }) => id !== messageId),
    handed: handed.filter((id) => id !== messageId),
  });
}
