import { inspect, isDeepStrictEqual } from 'node:util';
import { runningTurns, type State } from '../../src/sessions/machine/state.ts';
import type { Store } from '../../src/store/store.ts';
import type { Rows } from './session-rows.ts';

const ids = (list: readonly { id: string }[]): string =>
  list
    .map((each) => each.id)
    .sort()
    .join();

/** How memory differs from what the store has; nothing when it does not. */
export function differences(state: State, rows: Rows): string[] {
  const all = [...rows.turns.values()];
  const stored = {
    record: { ...rows.record, transcriptSeen: 0, lastSeq: 0 },
    running: ids(all.filter((turn) => turn.state === 'running')),
    queued: ids(all.filter((turn) => turn.state === 'queued')),
    unsettled: ids(all.filter((turn) => turn.waitFor === 'background' && turn.endedAt && !turn.settledAt)),
    pending: ids([...rows.permissions.values()].filter((request) => request.state === 'pending')),
    calls: [...rows.calls].sort().join(),
    shown: rows.shown,
    tasks: rows.tasks.join(),
  };
  const memory = {
    // How much of the transcript is known may be in memory only, while a process lives.
    record: { ...state.record, transcriptSeen: 0, lastSeq: 0 },
    running: runningTurns(state).sort().join(),
    queued: ids([...state.queue, ...state.steering]),
    unsettled: ids(state.unsettled),
    pending: ids(state.pending),
    calls: ids(state.calls.map((each) => ({ id: each.request_id }))),
    shown: state.shown,
    tasks: state.tasks.map(({ view }) => view.task_id).join(),
  };
  const messages = all.filter((turn) => turn.state === 'running' && turn.initiator === 'user');
  return [
    ...(isDeepStrictEqual(memory, stored)
      ? []
      : [`memory is not what the store has:\n${inspect(memory)}\n${inspect(stored)}`]),
    ...(state.own && state.current?.phase === 'taken' ? ['two turns are worked on'] : []),
    ...(messages.length > 1 ? ['two messages run'] : []),
  ];
}

/** What is wrong with the log of a session of which nothing is open any more. */
export async function logProblems(
  store: Store,
  id: string,
  { requests, refused }: { requests: readonly string[]; refused: ReadonlySet<string> },
): Promise<string[]> {
  const problems: string[] = [];
  const events = await store.readEvents(id, 0, 100_000);
  if (events.some(({ seq }, index) => seq !== index + 1)) problems.push('event numbers have a gap');
  const count = (turn: string, type: RegExp): number =>
    events.filter((event) => event.turnId === turn && type.test(event.type)).length;
  for (const turn of await store.listTurns({ sessionId: id, limit: 100_000 })) {
    const ends = count(turn.id, /^turn\.(completed|failed|interrupted)$/);
    if (ends !== 1 || turn.endedAt === null) problems.push(`a turn ended ${ends} times`);
    if (count(turn.id, /^turn\.started$/) > 1) problems.push('a turn was started twice');
    const settled = count(turn.id, /^turn\.settled$/);
    if (settled !== (turn.waitFor === 'background' ? 1 : 0))
      problems.push(`a turn was settled ${settled} times`);
    if (refused.has(turn.id)) problems.push('a message that was refused is there');
  }
  const steered = events.filter(({ type }) => type === 'turn.steered').map(({ json }) => json);
  if (new Set(steered).size < steered.length) problems.push('a message was steered twice');
  for (const requestId of requests) {
    const request = await store.getPermission(id, requestId);
    const resolved = events.filter(
      ({ type, json }) => type === 'permission.resolved' && json.includes(requestId),
    ).length;
    if (request && (request.state === 'pending' || resolved !== 1))
      problems.push(`a permission is ${request.state}, resolved ${resolved} times`);
  }
  return problems;
}
