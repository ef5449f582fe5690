import type {
  CallReason,
  PendingCall,
  PermissionReason,
  PermissionState,
  ResolvedBy,
} from 'claude-agent-protocol';
import type { CallAnswer, Decision } from '../../agent/agent.ts';
import { event } from '../../events/log.ts';
import { readAnswer } from '../../permissions/answer.ts';
import { permissionView } from '../../permissions/view.ts';
import type { CallRecord, Change, PermissionRecord } from '../../store/store.ts';
import type { Of } from './commands.ts';
import { assign, type Draft } from './draft.ts';
import { askAgain, isDurable, resumeWith } from './parking.ts';
import { callSentence, permissionSentence, type Unanswered } from './reasons.ts';
import { isClosed, runningTurns, turnOf } from './state.ts';
import { beginNext, cutTurns, markStopped } from './turns.ts';

// ---- permission requests

export function askPermission(draft: Draft, command: Of<'permission-asked'>): void {
  if (askAgain(draft, command)) return;
  const { requestId, question, timeoutSeconds } = command;
  if (isClosed(draft.state)) {
    const decision = {
      allowed: false,
      message: permissionSentence('session_closed'),
      interrupt: true,
    } as const;
    draft.effects.push({ kind: 'answer-permission', requestId, decision });
    return;
  }
  const { pending, record } = draft.state;
  const turnId = turnOf(draft.state, question.agentId);
  const { isAlone, ...asked } = question;
  const durable = isDurable(draft.state, isAlone);
  const permission: PermissionRecord = {
    ...asked,
    durable,
    id: requestId,
    sessionId: record.id,
    turnId,
    requestedAt: draft.at,
    expiresAt: timeoutSeconds > 0 ? later(draft.at, timeoutSeconds) : null,
    state: 'pending',
    reason: null,
    resolvedAt: null,
    resolvedBy: null,
    decision: null,
  };
  assign(draft, { pending: [...pending, permission] });
  draft.changes.push(
    { kind: 'insert-permission', permission },
    event(record.id, 'permission.requested', permissionView(permission), turnId, draft.at),
  );
  if (durable) draft.effects.push({ kind: 'await-parking', requestId });
}

/** An answer; it changes nothing when the request is settled. */
export function answerPermission(draft: Draft, { answer, by }: Of<'answer-permission'>): void {
  const request = draft.state.pending.find(({ id }) => id === answer.request_id);
  if (!request) return;
  const decision = readAnswer(request, answer);
  settlePermission(draft, request, answer.allowed ? 'allowed' : 'denied', 'answered', decision, by);
  const { turnId, toolName } = request;
  const { parked } = draft.state;
  const isParked = parked?.requestId === request.id;
  if (isParked && (decision.allowed || !decision.interrupt)) resumeWith(draft, parked, decision);
  if (decision.allowed || !decision.interrupt || turnId === null) return;
  const sentence = `${toolName} was denied, and the turn ended with it: ${decision.message}`;
  if (runningTurns(draft.state).includes(turnId))
    markStopped(draft, [turnId], { reason: 'denied', sentence });
  // Without a process there is nobody who would end the turn.
  if (!isParked) return;
  cutTurns(draft, { error: null });
  beginNext(draft);
}

export function permissionUnanswered(draft: Draft, { requestId, reason }: Of<'permission-unanswered'>): void {
  const request = draft.state.pending.find(({ id }) => id === requestId);
  if (request) giveUpPermission(draft, request, reason);
}

/** Gives up a request. The agent's turn ends with it, unless the turn can go on without an answer. */
function giveUpPermission(draft: Draft, request: PermissionRecord, reason: Unanswered): void {
  const interrupt = reason !== 'timeout' && reason !== 'withdrawn';
  const decision: Decision = { allowed: false, message: permissionSentence(reason), interrupt };
  settlePermission(draft, request, unansweredState(reason), reason, decision, null);
  const { parked } = draft.state;
  if (parked?.requestId === request.id && !interrupt) resumeWith(draft, parked, decision);
}

function unansweredState(reason: Unanswered): PermissionState {
  if (reason === 'timeout') return 'denied';
  return reason === 'server_restarted' ? 'expired' : 'cancelled';
}

/** The one way out of "pending", for answers and for everything else. */
function settlePermission(
  draft: Draft,
  { id, turnId }: PermissionRecord,
  state: PermissionState,
  reason: PermissionReason,
  decision: Decision,
  resolvedBy: ResolvedBy | null,
): void {
  const { pending, record } = draft.state;
  const told = reason === 'server_restarted' || decision.allowed ? null : decision.message || null;
  assign(draft, { pending: pending.filter((request) => request.id !== id) });
  draft.changes.push(
    {
      kind: 'settle-permission',
      sessionId: record.id,
      id,
      state,
      reason,
      resolvedAt: draft.at,
      resolvedBy,
      decision,
    },
    event(
      record.id,
      'permission.resolved',
      { request_id: id, state, reason, message: told, resolved_by: resolvedBy },
      turnId,
      draft.at,
    ),
  );
  draft.effects.push({ kind: 'answer-permission', requestId: id, decision });
}

// ---- calls of hooks and tools of the caller's own

export function askCall(draft: Draft, { requestId, call, timeoutSeconds }: Of<'call-asked'>): void {
  const { record, calls } = draft.state;
  if (isClosed(draft.state)) {
    const answer = { ok: false, message: callSentence('session_closed') } as const;
    draft.effects.push({ kind: 'answer-call', requestId, answer });
    return;
  }
  const waiting: PendingCall = {
    ...call,
    request_id: requestId,
    session_id: record.id,
    turn_id: turnOf(draft.state),
    requested_at: draft.at,
    expires_at: later(draft.at, timeoutSeconds),
  };
  assign(draft, { calls: [...calls, waiting] });
  draft.changes.push(
    { kind: 'insert-call', call: recordOf(waiting) },
    event(record.id, `${waiting.kind}.requested`, waiting, waiting.turn_id, draft.at),
  );
}

/** An answer; it changes nothing when the call is settled. */
export function answerCall(draft: Draft, { requestId, callKind, answer }: Of<'answer-call'>): void {
  const waiting = draft.state.calls.find((call) => call.request_id === requestId && call.kind === callKind);
  if (waiting) settleCall(draft, waiting, 'answered', { ok: true, answer });
}

export function callUnanswered(draft: Draft, { requestId, reason }: Of<'call-unanswered'>): void {
  const waiting = draft.state.calls.find((call) => call.request_id === requestId);
  if (waiting) giveUpCall(draft, waiting, reason);
}

function giveUpCall(draft: Draft, waiting: PendingCall, reason: Exclude<CallReason, 'answered'>): void {
  settleCall(draft, waiting, reason, { ok: false, message: callSentence(reason) });
}

function settleCall(draft: Draft, waiting: PendingCall, reason: CallReason, answer: CallAnswer): void {
  const { request_id: requestId } = waiting;
  assign(draft, { calls: draft.state.calls.filter((call) => call.request_id !== requestId) });
  draft.changes.push(...resolveCall(recordOf(waiting), reason, draft.at));
  draft.effects.push({ kind: 'answer-call', requestId, answer });
}

const recordOf = ({
  request_id: id,
  session_id: sessionId,
  turn_id: turnId,
  kind,
}: PendingCall): CallRecord => ({
  id,
  sessionId,
  turnId,
  kind,
});

/** A call waits no longer. */
export const resolveCall = (
  { id, sessionId, turnId, kind }: CallRecord,
  reason: CallReason,
  at: string,
): Change[] => [
  { kind: 'delete-call', sessionId, id },
  event(sessionId, `${kind}.resolved`, { request_id: id, reason }, turnId, at),
];

// ---- both

/** Gives up everything that waits for an answer, but for one request that waits on without its process. */
export function giveUpAll(draft: Draft, reason: Unanswered, parked?: string): void {
  for (const request of draft.state.pending) {
    if (request.id !== parked) giveUpPermission(draft, request, reason);
  }
  for (const waiting of draft.state.calls) giveUpCall(draft, waiting, reason);
}

/** Gives up the requests of the running turn; subagents in the background go on, and so do their requests. */
export function withdrawQuestions(draft: Draft): void {
  const inBackground = new Set(draft.state.tasks.map(({ view }) => view.task_id));
  for (const request of draft.state.pending) {
    if (!inBackground.has(request.agentId ?? '')) giveUpPermission(draft, request, 'interrupted');
  }
  // Measured: an interrupt does not take back the call of a custom tool, and the turn would wait for its end.
  for (const waiting of draft.state.calls) {
    const goesOn = waiting.turn_id === null || inBackground.has(String(waiting.input.agent_id));
    if (!goesOn) giveUpCall(draft, waiting, 'interrupted');
  }
}

const later = (at: string, seconds: number): string =>
  new Date(Date.parse(at) + seconds * 1000).toISOString();
