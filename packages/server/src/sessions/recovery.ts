import type { AnswerItem } from 'claude-agent-protocol';
import type { Spent } from '../agent/agent.ts';
import type { Tally } from '../agent/tally.ts';
import type { Log } from '../events/log.ts';
import { dataOf, isEvent } from '../events/stored.ts';
import type { PermissionRecord, SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { initialState, type State } from './machine/state.ts';
import { answerItems } from './machine/turn-end.ts';
import { decide } from './machine.ts';

export interface RecoveryDeps {
  store: Store;
  log: Log;
  defaultModel: string | undefined;
  /** Counts the usage that a session's agent reported; undefined where the gateway has booked it. */
  tally(session: SessionRecord): Tally | undefined;
}

/** The open parts of a session that a dead server left. */
interface Open {
  running: TurnRecord[];
  unsettled: TurnRecord[];
  pending: PermissionRecord[];
  hadTasks: boolean;
}

/**
 * Settles everything that a dead server left open, before the first request. A running turn is interrupted and does
 * not run again by itself (it may have changed files); a pending permission expires. Queued turns stay queued.
 */
export async function settleOrphans({ store, log, defaultModel, tally }: RecoveryDeps): Promise<void> {
  const at = new Date().toISOString();
  const found = await findOpen(store);
  const records = await store.getSessions([...found.keys()]);
  for (const [sessionId, open] of found) {
    const record = records.get(sessionId);
    if (!record) continue;
    const calls = open.running.length > 0 ? tally(record) : undefined;
    const state = await restore(store, initialState(record, defaultModel), open, calls);
    const cut: Spent | undefined = calls && { spent: await calls.take(), isBooked: false };
    const { changes } = decide(state, { kind: 'server-restarted', cut, hadTasks: open.hadTasks, at });
    await log.write(sessionId, changes);
  }
}

async function findOpen(store: Store): Promise<Map<string, Open>> {
  const found = new Map<string, Open>();
  const of = (sessionId: string): Open => {
    const open = found.get(sessionId) ?? { running: [], unsettled: [], pending: [], hadTasks: false };
    found.set(sessionId, open);
    return open;
  };
  const { permissions } = await store.pendingPermissions();
  for (const request of permissions) of(request.sessionId).pending.push(request);
  for (const turn of await store.openTurns('running')) of(turn.sessionId).running.push(turn);
  for (const turn of await store.unsettledTurns()) of(turn.sessionId).unsettled.push(turn);
  for (const sessionId of await store.sessionsWithTasks()) of(sessionId).hadTasks = true;
  return found;
}

/** The session as the dead server had it, as far as it was written. */
async function restore(
  store: Store,
  empty: State,
  { running, unsettled, pending }: Open,
  calls: Tally | undefined,
): Promise<State> {
  const find = async (initiator: TurnRecord['initiator']) => {
    const turn = running.find((each) => each.initiator === initiator);
    return turn && { turn, messages: await said(store, turn, calls), stop: undefined };
  };
  const current = await find('user');
  const own = await find('agent');
  return {
    ...empty,
    unsettled,
    pending,
    // Stands for the process that is gone.
    process: 0,
    shown: 'running',
    current: current && { ...current, phase: 'taken' },
    own: own && { ...own, roots: [] },
  };
}

/** A turn's answer so far, from the log; its model calls are counted on the way. */
async function said(store: Store, turn: TurnRecord, calls: Tally | undefined): Promise<AnswerItem[]> {
  let after = (await store.turnStart(turn.id)) ?? Number.MAX_SAFE_INTEGER;
  const items: AnswerItem[] = [];
  for (;;) {
    const page = await store.readEvents(turn.sessionId, after, 500);
    for (const stored of page) {
      if (!isEvent(stored, 'agent.message') || stored.turnId !== turn.id) continue;
      const message = dataOf(stored);
      calls?.add(message);
      items.push(...answerItems(message));
    }
    const last = page.at(-1);
    if (!last || page.length < 500) return items;
    after = last.seq;
  }
}
