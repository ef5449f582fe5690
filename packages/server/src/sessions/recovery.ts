import type { AnswerItem } from 'claude-agent-client';
import type { AgentMessage } from '../agent/agent.ts';
import { event, type Log } from '../events/log.ts';
import type { Change, Store, TurnRecord } from '../store/store.ts';
import { answerItems, endTurn } from './answer.ts';
import { stateEvent } from './views.ts';

/**
 * Settles what a dead server left open, before anything else happens: a turn that was running is
 * interrupted and does not run again by itself (it may have changed files already); a permission that
 * waited is expired. Queued turns stay queued: nothing of them has happened yet.
 */
export async function settleOrphans({
  store,
  log,
  defaultModel,
}: {
  store: Store;
  log: Log;
  defaultModel: string | undefined;
}): Promise<void> {
  const reason = 'server_restarted';
  const now = new Date().toISOString();
  const changes = new Map<string, Change[]>();
  const of = (sessionId: string): Change[] => {
    const list = changes.get(sessionId) ?? [];
    changes.set(sessionId, list);
    return list;
  };

  for (const { id, sessionId, turnId } of await store.pendingPermissions()) {
    of(sessionId).push(
      { kind: 'settle-permission', id, state: 'expired', reason, resolvedAt: now },
      event(
        sessionId,
        'permission.resolved',
        { request_id: id, state: 'expired', reason, message: null },
        turnId,
        now,
      ),
    );
  }
  for (const turn of await store.listTurns({ states: ['running'], limit: Number.MAX_SAFE_INTEGER })) {
    const messages = await said(store, turn);
    of(turn.sessionId).push(...endTurn(turn, { messages, error: null, interrupted: reason }, now).changes);
  }
  for (const [sessionId, list] of changes) {
    const session = await store.getSession(sessionId);
    if (session) list.push(stateEvent(session, 'asleep', defaultModel));
    await log.write(sessionId, list);
  }
}

/** What a turn had answered so far, from the log. */
async function said(store: Store, turn: TurnRecord): Promise<AnswerItem[]> {
  let after = (await store.turnStart(turn.id)) ?? Number.MAX_SAFE_INTEGER;
  const items: AnswerItem[] = [];
  for (;;) {
    const page = await store.readEvents(turn.sessionId, after, 500);
    for (const { type, turnId, json } of page) {
      if (type === 'agent.message' && turnId === turn.id)
        items.push(...answerItems(JSON.parse(json) as AgentMessage));
    }
    const last = page.at(-1);
    if (!last || page.length < 500) return items;
    after = last.seq;
  }
}
