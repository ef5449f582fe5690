import type { Decision, Spent } from '../../agent/agent.ts';
import { event } from '../../events/log.ts';
import type { PermissionRecord } from '../../store/store.ts';
import { costOf } from '../usage.ts';
import type { Of } from './commands.ts';
import { assign, type Draft } from './draft.ts';
import { isClosed, type Parked, type State } from './state.ts';
import { handOver } from './steering.ts';
import { bookings } from './turn-end.ts';

/**
 * A process that is gone before it has asked again is replaced so often; then the turn fails. Each takes half a second.
 */
const MAX_STARTS = 3;

/** The request without which nothing else of the session waits: its turn can go on in another process. */
export function parkableRequest(state: State): PermissionRecord | undefined {
  const [request, ...others] = state.pending;
  const { current, own, calls, tasks } = state;
  if (!request?.durable || others.length > 0 || calls.length > 0 || tasks.length > 0) return undefined;
  if (isClosed(state) || state.closing || own || current?.phase !== 'taken' || current.stop) return undefined;
  return request.turnId === current.turn.id ? request : undefined;
}

/** Whether a question that comes now can wait without a process. */
export const isDurable = (state: State, isAlone: boolean): boolean =>
  isAlone &&
  state.pending.length === 0 &&
  state.tasks.length === 0 &&
  !state.own &&
  state.current?.phase === 'taken';

/** The process is gone, and the turn waits for its request without one. What it has cost so far is booked now. */
export function park(draft: Draft, request: PermissionRecord, cut: Spent | undefined): void {
  const { record, current } = draft.state;
  if (!current || request.toolUseId === null) return;
  const costUsd = costOf(cut?.spent ?? []);
  assign(draft, {
    // The next process gets them.
    handed: [],
    current: { ...current, parkedCostUsd: current.parkedCostUsd + costUsd },
    parked: {
      requestId: request.id,
      toolUseId: request.toolUseId,
      turnId: current.turn.id,
      decision: undefined,
      process: draft.state.process,
      starts: 0,
    },
  });
  draft.changes.push(
    ...bookings(record.id, cut),
    event(record.id, 'turn.parked', { request_id: request.id, cost_usd: costUsd }, current.turn.id, draft.at),
  );
}

/** Nobody has answered for some time: the process is let go. It is written first: an answer that comes now finds it so. */
export function parkWaiting(draft: Draft, { requestId, cut }: Of<'park'>): void {
  const request = parkableRequest(draft.state);
  // Its process may have died meanwhile: then it is parked already.
  if (draft.state.parked || request?.id !== requestId) {
    draft.changes.push(...bookings(draft.state.record.id, cut));
    return;
  }
  park(draft, request, cut);
  draft.effects.push({ kind: 'kill-process' });
}

/** A parked request is answered: another process has to ask again, and is told this. */
export function resumeWith(draft: Draft, parked: Parked, decision: Decision): void {
  assign(draft, { parked: { ...parked, decision } });
  startParked(draft);
}

/** Gets a process for the parked turn, if it has its answer. */
export function startParked(draft: Draft): void {
  const { parked, draining } = draft.state;
  // A server that shuts down leaves it to its next start.
  if (!parked?.decision || draining) return;
  const started = { ...parked, starts: parked.starts + 1 };
  assign(draft, { parked: started });
  draft.effects.push({ kind: 'resume-parked', parked: started });
}

/** Whether another process may try to ask again. */
export const mayStartAgain = ({ decision, starts }: Parked): boolean =>
  decision !== undefined && starts < MAX_STARTS;

/** A process of a parked turn is gone; if it was to ask again, another one may try. @returns false when enough did */
export function startParkedAgain(draft: Draft, process: number | undefined): boolean {
  const { parked } = draft.state;
  if (!parked?.decision || parked.starts === 0 || process === parked.process) return true;
  if (!mayStartAgain(parked)) return false;
  startParked(draft);
  return true;
}

/**
 * The process that went on with the turn asks for the same call again.
 * @returns false when the question is another one
 */
export function askAgain(draft: Draft, { requestId, question }: Of<'permission-asked'>): boolean {
  const { parked, record } = draft.state;
  if (!parked || question.toolUseId !== parked.toolUseId) return false;
  assign(draft, { parked: undefined });
  // Written before the agent is told: a server that dies now does not know whether the call has run.
  draft.changes.push(
    event(record.id, 'turn.resumed', { request_id: parked.requestId }, parked.turnId, draft.at),
  );
  const { decision } = parked;
  if (decision) draft.effects.push({ kind: 'answer-permission', requestId, decision });
  else draft.effects.push({ kind: 'adopt-request', requestId, as: parked.requestId });
  handOver(draft);
  return true;
}
