import type { AnswerItem } from 'claude-agent-protocol';
import type { Tally } from '../agent/tally.ts';
import { event, type Log } from '../events/log.ts';
import { dataOf, isEvent } from '../events/stored.ts';
import type { Change, SessionRecord, Store, TurnRecord } from '../store/store.ts';
import { answerItems, endTurn } from './answer.ts';
import { settleTurn } from './state.ts';
import { stateEvent } from './views.ts';

export interface RecoveryDeps {
  store: Store;
  log: Log;
  defaultModel: string | undefined;
  /** Counts what a session's agent said of its calls; undefined where the gateway has booked them. */
  tally(session: SessionRecord): Tally | undefined;
}

/**
 * Settles what a dead server left open, before anything else happens: a turn that was running is
 * interrupted and does not run again by itself (it may have changed files already); a permission that
 * waited is expired. Queued turns stay queued: nothing of them has happened yet.
 */
export async function settleOrphans({ store, log, defaultModel, tally }: RecoveryDeps): Promise<void> {
  const reason = 'server_restarted';
  const now = new Date().toISOString();
  const changes = new Map<string, Change[]>();
  const of = (sessionId: string): Change[] => {
    const list = changes.get(sessionId) ?? [];
    changes.set(sessionId, list);
    return list;
  };

  for (const { id, sessionId, turnId } of (await store.pendingPermissions()).permissions) {
    of(sessionId).push(
      { kind: 'settle-permission', id, state: 'expired', reason, resolvedAt: now, resolvedBy: null },
      event(
        sessionId,
        'permission.resolved',
        { request_id: id, state: 'expired', reason, message: null, resolved_by: null },
        turnId,
        now,
      ),
    );
  }
  for (const turn of await store.openTurns('running')) {
    const session = await store.getSession(turn.sessionId);
    const calls = session && tally(session);
    const messages = await said(store, turn, calls);
    const cut = calls && { spent: await calls.take(), isBooked: false };
    const { ended, changes } = endTurn(turn, { messages, cut, error: null, interrupted: { reason } }, now);
    of(turn.sessionId).push(...changes);
    if (ended.waitFor === 'background') of(turn.sessionId).push(...settleTurn(ended, null, now).changes);
  }
  const error = { code: reason, message: 'The server ended while the agent worked in the background.' };
  for (const turn of await store.unsettledTurns()) {
    of(turn.sessionId).push(...settleTurn(turn, error, now).changes);
  }
  for (const sessionId of await store.sessionsWithTasks()) {
    of(sessionId).push(event(sessionId, 'session.tasks', { tasks: [] }, null, now));
  }
  for (const [sessionId, list] of changes) {
    const session = await store.getSession(sessionId);
    if (session) list.push(stateEvent(session, 'asleep', defaultModel));
    await log.write(sessionId, list);
  }
}

/** What a turn had answered so far, from the log; its model calls are counted on the way. */
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
