import type { SessionState } from 'claude-agent-protocol';
import type {
  Change,
  PermissionRecord,
  SessionRecord,
  TurnRecord,
  WriteResult,
} from '../../src/store/store.ts';

/** What a store holds of one session, kept beside the real one: cheap to compare with memory after every step. */
export interface Rows {
  record: SessionRecord;
  turns: ReadonlyMap<string, TurnRecord>;
  permissions: ReadonlyMap<string, PermissionRecord>;
  /** Calls of hooks and tools that were asked and not resolved. */
  calls: ReadonlySet<string>;
  /** The newest `session.state` and `session.tasks`. */
  shown: SessionState;
  tasks: readonly string[];
}

export const createRows = (record: SessionRecord): Rows => ({
  record,
  turns: new Map(),
  permissions: new Map(),
  calls: new Set(),
  shown: 'asleep',
  tasks: [],
});

/** The rows after a write that the store took. @throws Error for a change that no store should be given */
export function applyChanges(rows: Rows, changes: readonly Change[]): Rows {
  const turns = new Map(rows.turns);
  const permissions = new Map(rows.permissions);
  const calls = new Set(rows.calls);
  let { record, shown, tasks } = rows;
  for (const change of changes) {
    switch (change.kind) {
      case 'update-session':
        record = { ...record, ...change.set };
        break;
      case 'count-message':
        record = { ...record, messageCount: record.messageCount + 1 };
        break;
      case 'insert-turn':
        turns.set(change.turn.id, change.turn);
        break;
      case 'update-turn': {
        const turn = turns.get(change.id);
        if (!turn) throw new Error('a turn is changed that is not there');
        turns.set(change.id, { ...turn, ...change.set });
        break;
      }
      case 'insert-permission':
        permissions.set(change.permission.id, change.permission);
        break;
      case 'settle-permission': {
        const request = permissions.get(change.id);
        if (!request) throw new Error('a permission is settled that is not there');
        const { state, reason, resolvedAt, resolvedBy } = change;
        permissions.set(change.id, { ...request, state, reason, resolvedAt, resolvedBy });
        break;
      }
      case 'event': {
        const { type, json } = change.event;
        const data = JSON.parse(json);
        if (type === 'session.state') shown = data.state;
        if (type === 'session.tasks') tasks = data.tasks.map((task: { task_id: string }) => task.task_id);
        if (/^(hook|tool)\.requested$/.test(type)) calls.add(data.request_id);
        if (/^(hook|tool)\.resolved$/.test(type)) calls.delete(data.request_id);
        break;
      }
      default:
    }
  }
  return { record, turns, permissions, calls, shown, tasks };
}

/** The one thing that a store may refuse: a second turn with the same idempotency key. */
export function mayRefuse(rows: Rows, changes: readonly Change[], result: WriteResult): boolean {
  const change = result.ok ? undefined : changes[result.refused];
  if (change?.kind !== 'insert-turn' || change.turn.idempotencyKey === null) return false;
  const key = change.turn.idempotencyKey;
  const before = changes.flatMap((each) => (each.kind === 'insert-turn' ? [each.turn] : []));
  const others = [...rows.turns.values(), ...before].filter(({ id }) => id !== change.turn.id);
  return others.some(({ idempotencyKey }) => idempotencyKey === key);
}
