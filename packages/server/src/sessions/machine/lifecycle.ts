import type { Spent } from '../../agent/agent.ts';
import { event } from '../../events/log.ts';
import { endBackground, setTasks, settleAll } from './background.ts';
import type { Of } from './commands.ts';
import { continueTurn } from './continuing.ts';
import { assign, type Draft, noteState, update } from './draft.ts';
import { mayStartAgain, park, parkableRequest, startParked, startParkedAgain } from './parking.ts';
import { giveUpAll } from './permissions.ts';
import { agentDied, backgroundError, diskLimitExceeded, notGoneOn } from './reasons.ts';
import { type Current, canSleep, isClosed, type Own } from './state.ts';
import { handOver, takeLate } from './steering.ts';
import { bookings } from './turn-end.ts';
import { beginNext, cutTurns, endQueued, putBack } from './turns.ts';

/** The agent process is ready. It may have the message of the turn already: it gets what was given to that since. */
export function processStarted(draft: Draft, { process }: Of<'process-started'>): void {
  assign(draft, { process });
  const { current, parked } = draft.state;
  if (current && current.phase !== 'starting' && !parked) handOver(draft);
}

/** The agent process is gone, and its work with it. */
export function processEnded(draft: Draft, command: Of<'process-ended'>): void {
  const { process, how, lastWords, stopped, cut, continueAs, taken = [] } = command;
  const { record, steering, queue } = draft.state;
  if (draft.state.process === process) assign(draft, { process: undefined, handed: [] });
  // The transcript's known size is kept in memory while the process lives.
  update(draft, { transcriptSeen: record.transcriptSeen });
  if (isClosed(draft.state)) {
    draft.changes.push(...bookings(record.id, cut));
    return;
  }
  takeLate(
    draft,
    [...steering, ...queue].filter(({ id }) => taken.includes(id)),
  );
  if (keepsWaiting(draft, cut, 'agent_died', process)) return;
  giveUpAll(draft, 'agent_died');
  if (stopped === undefined) continueTurn(draft, { reason: 'agent_died', cut, continueAs });
  const error = stopped === undefined ? undefined : diskLimitExceeded(stopped);
  cutTurns(draft, { error: error ?? agentDied('during the turn', how, lastWords), cut }, hadProcess);
  endBackground(draft, error ?? agentDied('while it worked in the background', how, lastWords));
  beginNext(draft);
}

/** A turn that only waits for a process does not end with one. */
const hadProcess = (running: Current | Own): boolean => !('phase' in running) || running.phase !== 'starting';

/** Lets a process go that nothing uses. */
export function sleep(draft: Draft): void {
  if (canSleep(draft.state)) draft.effects.push({ kind: 'end-idle-process' });
}

/** Whether the turn waits on without its process. */
function keepsWaiting(
  draft: Draft,
  cut: Spent | undefined,
  reason: 'agent_died' | 'server_shutdown',
  process?: number,
): boolean {
  const { parked, record } = draft.state;
  if (parked) {
    draft.changes.push(...bookings(record.id, cut));
    // The process may have asked more between the decision to let it go and its end.
    giveUpAll(draft, reason, parked.requestId);
    if (startParkedAgain(draft, process)) return true;
    assign(draft, { parked: undefined });
    return false;
  }
  const request = parkableRequest(draft.state);
  if (request) park(draft, request, cut);
  return request !== undefined;
}

/** No process asks again for the call of a parked turn: it ends with the reason, and so does its request. */
export function parkedLost(draft: Draft, { requestId, error }: Of<'parked-lost'>): void {
  const { parked } = draft.state;
  if (parked?.requestId !== requestId) return;
  // A process that died while it started (it was killed, or the machine was out of memory) may be followed by another.
  if (error.code === 'agent_start_failed' && mayStartAgain(parked)) {
    startParked(draft);
    return;
  }
  giveUpAll(draft, 'agent_died');
  cutTurns(draft, { error: notGoneOn(error) });
  beginNext(draft);
}

/** Takes over a turn that waited without a process when the server before ended, or goes on after its death. */
export function restoreTurn(draft: Draft, { current, parked, pending }: Of<'restore-turn'>): void {
  // The log says already what it does.
  assign(draft, { current, parked, pending, shown: pending.length > 0 ? 'waiting' : 'running' });
  draft.effects.push({ kind: 'turn-accepted', turn: current.turn });
}

/** Ends queued turns, and stops waiting for background work. */
export function stopAll(draft: Draft): void {
  const { steering, queue } = draft.state;
  for (const turn of [...steering, ...queue]) endQueued(draft, turn, { reason: 'cancelled' });
  settleAll(draft, backgroundError('interrupted'));
}

/** Ends turns for which no result will come; they may have ended with their process already. */
export function endTurns(draft: Draft, { turnIds, cut }: Of<'end-turns'>): void {
  cutTurns(draft, { error: null, cut }, ({ turn }) => turnIds.includes(turn.id));
  beginNext(draft);
}

export function close(draft: Draft, { cut }: Of<'close'>): void {
  if (isClosed(draft.state)) return;
  const interruption = { reason: 'session_closed' } as const;
  giveUpAll(draft, 'session_closed');
  cutTurns(draft, { error: null, interruption, cut });
  for (const turn of draft.state.queue) endQueued(draft, turn, interruption);
  endBackground(draft, backgroundError('session_closed'));
  update(draft, { status: 'closed', lastActivity: draft.at });
  noteState(draft);
  draft.changes.push(event(draft.state.record.id, 'session.closed', {}, null, draft.at));
  draft.effects.push({ kind: 'end-process' });
}

/** The close could not be written: the session goes on, and so does its queue. */
export function giveUpClose(draft: Draft): void {
  assign(draft, { closing: false });
  beginNext(draft);
}

/** Ends running work when the server shuts down; queued turns stay queued for its next start. */
export function shutDown(draft: Draft, { cut }: Of<'shut-down'>): void {
  if (isClosed(draft.state)) return;
  if (keepsWaiting(draft, cut, 'server_shutdown')) return;
  putBack(draft);
  giveUpAll(draft, 'server_shutdown');
  cutTurns(draft, { error: null, interruption: { reason: 'server_shutdown' }, cut });
  endBackground(draft, backgroundError('server_shutdown'));
}

/** Settles everything that a dead server left open: a running turn may have changed files, so it does not run again. */
export function serverRestarted(draft: Draft, command: Of<'server-restarted'>): void {
  const { cut, hadTasks, parks, continueAs, taken = [], unknown = [] } = command;
  assign(draft, { process: undefined });
  takeLate(draft, taken);
  const request = parks ? parkableRequest(draft.state) : undefined;
  if (request) {
    park(draft, request, cut);
    return;
  }
  putBack(draft);
  giveUpAll(draft, 'server_restarted');
  continueTurn(draft, { reason: 'server_restarted', cut, continueAs });
  // A turn that goes on gets them again: its calls wait until the log has what the agent took before them.
  if (draft.state.current?.phase !== 'starting') takeLate(draft, unknown);
  cutTurns(draft, { error: null, interruption: { reason: 'server_restarted' }, cut }, hadProcess);
  if (hadTasks) setTasks(draft, []);
  endBackground(draft, backgroundError('server_restarted'));
}
