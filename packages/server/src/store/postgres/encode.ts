import { permissionColumns, type Row, sessionColumns, turnColumns } from '../rows.ts';
import type { Change, ImportedRows, NewEvent, SessionRecord, UsageRow } from '../store.ts';
import { asText } from './pool.ts';

/** One step of apply_writes (002-apply-writes.sql). */
type Step = Record<string, unknown> & { k: Change['kind']; s?: string };

/**
 * The changes of one write as apply_writes takes them. Events of one session that follow each other are one step: one
 * update gives them their numbers.
 */
export function encodeChanges(changes: readonly Change[]): Step[] {
  const steps: Step[] = [];
  let run: { sessionId: string; events: unknown[] } | undefined;
  for (const change of changes) {
    if (change.kind !== 'event') {
      run = undefined;
      steps.push(encode(change));
      continue;
    }
    const { sessionId } = change.event;
    if (run?.sessionId === sessionId) run.events.push(encodeEvent(change.event));
    else {
      run = { sessionId, events: [encodeEvent(change.event)] };
      steps.push({ k: 'event', s: sessionId, e: run.events });
    }
  }
  return steps;
}

function encode(change: Exclude<Change, { kind: 'event' }>): Step {
  const k = change.kind;
  switch (change.kind) {
    case 'owned':
      return { k, s: change.sessionId, fence: change.fence };
    case 'insert-session':
      return { k, s: change.session.id, r: newSession({ ...change.session, lastSeq: 0 }, change) };
    case 'update-session':
      return { k, s: change.id, r: sessionRow(change.set) };
    case 'insert-conversation':
      return { k, s: change.sessionId, id: change.id };
    case 'count-message':
      return { k, s: change.id };
    case 'insert-turn':
      return { k, s: change.turn.sessionId, r: clean(turnColumns(change.turn)) };
    case 'update-turn':
      return { k, s: change.sessionId, id: change.id, from: change.from, r: clean(turnColumns(change.set)) };
    case 'insert-permission':
      return { k, s: change.permission.sessionId, r: clean(permissionColumns(change.permission)) };
    case 'settle-permission': {
      const { sessionId, id, state, reason, resolvedAt, resolvedBy, decision } = change;
      const row = permissionColumns({ state, reason, resolvedAt, resolvedBy, decision });
      return { k, s: sessionId, id, r: clean(row) };
    }
    case 'add-usage':
      return { k, s: change.sessionId, r: usageRow(change.usage) };
    case 'add-day-usage':
      return { k, tenant: change.tenant, maker: asText(change.maker), r: usageRow(change.usage) };
    case 'limit': {
      const { count, tenant, maker, maxOfMaker, maxOfTenant } = change;
      return {
        k,
        count,
        tenant,
        maker: asText(maker),
        ...(maxOfMaker !== undefined && { of_maker: maxOfMaker }),
        ...(maxOfTenant !== undefined && { of_tenant: maxOfTenant }),
      };
    }
    case 'add-key-usage':
      return { k, key: asText(change.keyId), cost: change.costUsd };
    case 'begin-import':
      return {
        k,
        s: change.session.id,
        r: { ...newSession(change.session, change), hidden: 'importing' },
      };
    case 'import-rows':
      return { k, s: change.rows.sessionId, r: encodeRows(change.rows) };
    case 'end-import':
      return { k, s: change.id, r: change.usage.map(usageRow) };
    case 'insert-call': {
      const { sessionId, id, turnId, kind } = change.call;
      return { k, s: sessionId, id, turn: turnId, kind };
    }
    case 'delete-call':
      return { k, s: change.sessionId, id: change.id };
    case 'erase-rows':
      return { k, s: change.id, rows: change.rows, bytes: change.bytes };
    case 'hide-session':
    case 'erase-session':
      return { k, s: change.id };
    case 'trim-events':
      return { k, s: change.sessionId, below: change.below };
  }
}

function encodeRows({ conversations, turns, events }: ImportedRows): unknown {
  const tasks = events.map((event) => ({ seq: event.seq, named: namesTask(event) }));
  const newest = tasks.findLast(({ named }) => named !== undefined);
  return {
    conversations: conversations.map(({ id, afterSeq, fromDisk }) => ({
      id,
      after_seq: afterSeq,
      from_disk: fromDisk,
    })),
    turns: turns.map((turn) => clean(turnColumns(turn))),
    events: events.map((event) => ({ seq: event.seq, ...encodeEvent(event) })),
    ...(newest && { tasks_seq: newest.named ? newest.seq : null }),
  };
}

const newSession = (session: SessionRecord, { owner, node }: { owner?: string; node?: string }): object => ({
  ...sessionRow(session),
  log_bytes: 0,
  last_cursor: 0,
  owner: owner ?? null,
  node: node ?? null,
  fence: owner === undefined ? 0 : 1,
});

const sessionRow = (set: Partial<SessionRecord>): object => ({
  ...clean(sessionColumns(set)),
  ...(set.metadata && { tags: tagsOf(set.metadata) }),
});

/** What a list can be filtered by: the members of the metadata with a plain value. Text is JSON, so it has no NUL. */
export const tagsOf = (metadata: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(metadata)
    .filter(([, value]) => value === null || typeof value !== 'object')
    .map((member) => JSON.stringify(member));

const usageRow = (usage: UsageRow): object => ({
  model: asText(usage.model),
  input_tokens: usage.inputTokens,
  output_tokens: usage.outputTokens,
  cache_read_input_tokens: usage.cacheReadInputTokens,
  cache_creation_input_tokens: usage.cacheCreationInputTokens,
  cost_usd: usage.costUsd,
});

const encodeEvent = (event: NewEvent): object => ({
  at: event.at,
  turn_id: event.turnId,
  type: event.type,
  data: asText(event.json),
  bytes: Buffer.byteLength(event.json),
  history: isHistory(event),
  ...(event.type === 'session.tasks' && { tasks: namesTask(event) }),
});

/** Whether an event is part of what users and the main thread said. Parsed here: jsonb refuses what JSON may hold. */
function isHistory({ type, json }: NewEvent): boolean {
  if (type !== 'agent.message') return type === 'turn.started' || type === 'turn.steered';
  if (!/"(?:user|assistant)"/.test(json)) return false;
  const message = JSON.parse(json) as { type?: unknown; parent_tool_use_id?: unknown } | null;
  if (message?.type !== 'user' && message?.type !== 'assistant') return false;
  return (message.parent_tool_use_id ?? null) === null;
}

/** Whether a task list names a task; undefined for other events. */
function namesTask({ type, json }: NewEvent): boolean | undefined {
  if (type !== 'session.tasks') return undefined;
  const { tasks } = JSON.parse(json) as { tasks?: unknown };
  return Array.isArray(tasks) && tasks.length > 0;
}

function clean(row: Row): Row {
  for (const [name, value] of Object.entries(row)) if (typeof value === 'string') row[name] = asText(value);
  return row;
}
