import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { UserInput } from 'claude-agent-protocol';
import { AppError } from '../errors.ts';
import { migrate } from './migrate.ts';
import {
  permissionColumns,
  permissionFromRow,
  type Row,
  sessionColumns,
  sessionFromRow,
  turnColumns,
  turnFromRow,
} from './rows.ts';
import type {
  Change,
  ConversationRecord,
  NewEvent,
  Store,
  StoredEvent,
  UsageRow,
  WriteResult,
} from './store.ts';

const conversationFromRow = (row: Row): ConversationRecord => ({
  id: String(row.id),
  sessionId: String(row.session_id),
  afterSeq: Number(row.after_seq),
  fromDisk: row.from_disk === 1,
});

/** The condition of the index events_history (005-history.sql), word for word. */
const IN_HISTORY = `type = 'turn.started'
  or (type = 'agent.message' and data ->> '$.type' in ('user', 'assistant')
      and data ->> '$.parent_tool_use_id' is null)`;

interface PendingWrite {
  changes: readonly Change[];
  resolve(result: WriteResult): void;
  reject(error: unknown): void;
}

/** Thrown inside a transaction when a change's condition does not hold. */
class Refused extends Error {
  readonly index: number;
  constructor(index: number) {
    super('refused');
    this.index = index;
  }
}

/**
 * The embedded store: one SQLite file in WAL mode with `synchronous=FULL`.
 *
 * All writes that arrive in one turn of the event loop share one commit: an fsync costs 0.3 ms here (10 ms
 * on slow disks), a row 10 µs. Each write is a savepoint, so a refused one takes nothing else with it.
 *
 * @param path a file, or ':memory:'
 */
export function openSqliteStore(path: string): Store {
  const db = new DatabaseSync(path);
  try {
    db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on');
    migrate(db);
  } catch (error) {
    db.close();
    throw error;
  }

  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (!statement) {
      statement = db.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  const all = (sql: string, ...values: SQLInputValue[]): Row[] => prepare(sql).all(...values) as Row[];
  const get = (sql: string, ...values: SQLInputValue[]): Row | undefined =>
    prepare(sql).get(...values) as Row | undefined;
  const run = (sql: string, ...values: SQLInputValue[]): number =>
    Number(prepare(sql).run(...values).changes);

  const insert = (table: string, row: Row): void => {
    const names = Object.keys(row);
    run(
      `insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`,
      ...Object.values(row),
    );
  };
  const update = (table: string, row: Row, where: string, ...values: SQLInputValue[]): number => {
    const names = Object.keys(row);
    if (names.length === 0) return get(`select 1 from ${table} where ${where}`, ...values) ? 1 : 0;
    return run(
      `update ${table} set ${names.map((name) => `${name} = ?`).join(', ')} where ${where}`,
      ...Object.values(row),
      ...values,
    );
  };

  const append = (event: NewEvent): StoredEvent => {
    const row = get(
      'update sessions set last_seq = last_seq + 1 where id = ? returning last_seq',
      event.sessionId,
    );
    if (!row) throw new Error(`no session ${event.sessionId} to append to`);
    const seq = Number(row.last_seq);
    const { lastInsertRowid } = prepare(
      'insert into events (session_id, seq, at, turn_id, type, data) values (?, ?, ?, ?, ?, ?)',
    ).run(event.sessionId, seq, event.at, event.turnId, event.type, event.json);
    return { ...event, seq, cursor: Number(lastInsertRowid) };
  };

  /** Begins a conversation of a session; false when its id is taken. */
  const begin = (id: string, sessionId: string, fromDisk = false): boolean =>
    run(
      'insert or ignore into conversations select ?, id, last_seq, ? from sessions where id = ?',
      id,
      fromDisk ? 1 : 0,
      sessionId,
    ) === 1;

  /** Applies one change; gives the event when it is one. False: its condition does not hold. */
  const apply = (change: Change): StoredEvent | boolean => {
    switch (change.kind) {
      case 'insert-session':
        if (get('select 1 from sessions where id = ?', change.session.id)) return false;
        insert('sessions', { ...sessionColumns(change.session), last_seq: 0 });
        return begin(change.session.conversationId, change.session.id, change.session.hasTranscript);
      case 'update-session':
        return update('sessions', sessionColumns(change.set), 'id = ?', change.id) === 1;
      case 'insert-conversation':
        return begin(change.id, change.sessionId);
      case 'count-message':
        return run('update sessions set message_count = message_count + 1 where id = ?', change.id) === 1;
      case 'insert-turn': {
        const { sessionId, idempotencyKey } = change.turn;
        const taken =
          idempotencyKey !== null &&
          get('select 1 from turns where session_id = ? and idempotency_key = ?', sessionId, idempotencyKey);
        if (taken) return false;
        insert('turns', turnColumns(change.turn));
        return true;
      }
      case 'update-turn': {
        const marks = change.from.map(() => '?').join(', ');
        return (
          update(
            'turns',
            turnColumns(change.set),
            `id = ? and state in (${marks})`,
            change.id,
            ...change.from,
          ) === 1
        );
      }
      case 'insert-permission':
        insert('permissions', permissionColumns(change.permission));
        return true;
      case 'settle-permission': {
        const { state, reason, resolvedAt, resolvedBy } = change;
        const set = permissionColumns({ state, reason, resolvedAt, resolvedBy });
        return update('permissions', set, "id = ? and state = 'pending'", change.id) === 1;
      }
      case 'add-usage': {
        const u = change.usage;
        run(
          `insert into usage values (?, ?, ?, ?, ?, ?, ?) on conflict (session_id, model) do update set
             input_tokens = input_tokens + excluded.input_tokens,
             output_tokens = output_tokens + excluded.output_tokens,
             cache_read_input_tokens = cache_read_input_tokens + excluded.cache_read_input_tokens,
             cache_creation_input_tokens = cache_creation_input_tokens + excluded.cache_creation_input_tokens,
             cost_usd = cost_usd + excluded.cost_usd`,
          change.sessionId,
          u.model,
          u.inputTokens,
          u.outputTokens,
          u.cacheReadInputTokens,
          u.cacheCreationInputTokens,
          u.costUsd,
        );
        return true;
      }
      case 'add-key-usage':
        run(
          `insert into key_usage values (?, ?)
           on conflict (key_id) do update set cost_usd = cost_usd + excluded.cost_usd`,
          change.keyId,
          change.costUsd,
        );
        return true;
      case 'event':
        return append(change.event);
    }
  };

  const applyAll = (changes: readonly Change[]): StoredEvent[] => {
    const events: StoredEvent[] = [];
    changes.forEach((change, index) => {
      const outcome = apply(change);
      if (outcome === false) throw new Refused(index);
      if (outcome !== true) events.push(outcome);
    });
    return events;
  };

  let queue: PendingWrite[] = [];
  let scheduled = false;

  const flush = (): void => {
    scheduled = false;
    const writes = queue;
    queue = [];
    const settled: (() => void)[] = [];
    try {
      prepare('begin immediate').run();
      for (const write of writes) {
        prepare('savepoint w').run();
        try {
          const events = applyAll(write.changes);
          settled.push(() => write.resolve({ ok: true, events }));
        } catch (error) {
          prepare('rollback to w').run();
          const refused = error instanceof Refused ? error.index : undefined;
          settled.push(() =>
            refused === undefined ? write.reject(error) : write.resolve({ ok: false, refused }),
          );
        }
        prepare('release w').run();
      }
      prepare('commit').run();
    } catch (error) {
      // The disk is full or gone: nothing of this batch is durable, so nobody is told that it is.
      if (db.isOpen && db.isTransaction) prepare('rollback').run();
      for (const write of writes) write.reject(error);
      return;
    }
    for (const settle of settled) settle();
  };

  const events = (rows: Row[]): StoredEvent[] =>
    rows.map((row) => ({
      cursor: Number(row.cursor),
      sessionId: String(row.session_id),
      seq: Number(row.seq),
      at: String(row.at),
      turnId: row.turn_id === null ? null : String(row.turn_id),
      type: String(row.type),
      json: String(row.data),
    }));

  return {
    write(changes) {
      return new Promise((resolve, reject) => {
        queue.push({ changes, resolve, reject });
        if (scheduled) return;
        scheduled = true;
        setImmediate(flush);
      });
    },

    async probe() {
      db.exec('begin immediate');
      try {
        run(
          'insert into probe values (1, ?) on conflict (id) do update set at = excluded.at',
          String(Date.now()),
        );
        db.exec('commit');
      } catch (error) {
        if (db.isTransaction) db.exec('rollback');
        throw error;
      }
    },

    async getSession(id) {
      const row = get('select * from sessions where id = ?', id);
      return row && sessionFromRow(row);
    },

    async listSessions({ status, limit, cursor, cwd, q, metadata }) {
      const where: string[] = [];
      const values: SQLInputValue[] = [];
      const filter = (condition: string, ...given: SQLInputValue[]): void => {
        where.push(condition);
        values.push(...given);
      };
      filter('(last_activity, id) < (?, ?)', ...decodeCursor(cursor));
      if (status !== 'all') filter('status = ?', status);
      if (cwd !== undefined) filter('cwd = ?', cwd);
      if (q !== undefined) {
        filter(
          `(title like ? escape '\\' or exists
             (select 1 from turns t where t.session_id = sessions.id and t.input like ? escape '\\'))`,
          likeText(q),
          // Messages are kept as JSON.
          likeText(JSON.stringify(q).slice(1, -1)),
        );
      }
      if (metadata !== undefined) {
        filter(
          `not exists (select 1 from json_each(?) f where not exists
             (select 1 from json_each(sessions.metadata) m
              where m.key = f.key and m.type = f.type and m.value is f.value))`,
          JSON.stringify(metadata),
        );
      }
      const rows = all(
        `select * from sessions where ${where.join(' and ')}
         order by last_activity desc, id desc limit ?`,
        ...values,
        limit + 1,
      );
      const sessions = rows.slice(0, limit).map(sessionFromRow);
      const last = sessions.at(-1);
      return {
        sessions,
        next: rows.length > limit && last ? encodeCursor(last.lastActivity, last.id) : null,
      };
    },

    async countSessions(status) {
      return Number(get('select count(*) as n from sessions where status = ?', status)?.n);
    },

    async conversations(sessionId) {
      return all('select * from conversations where session_id = ? order by after_seq, rowid', sessionId).map(
        conversationFromRow,
      );
    },

    async conversation(id) {
      const row = get('select * from conversations where id = ?', id);
      return row && conversationFromRow(row);
    },

    async pastConversations() {
      const rows = all(
        'select c.id from conversations c join sessions s on s.id = c.session_id where c.id <> s.conversation_id',
      );
      return rows.map(({ id }) => String(id));
    },

    async getTurn(sessionId, turnId) {
      const row = get('select * from turns where id = ? and session_id = ?', turnId, sessionId);
      return row && turnFromRow(row);
    },

    async getTurnByKey(sessionId, key) {
      const row = get('select * from turns where session_id = ? and idempotency_key = ?', sessionId, key);
      return row && turnFromRow(row);
    },

    async listTurns({ sessionId, states, unsettled, after, limit }) {
      const where = [
        sessionId === undefined ? '?1 is null' : 'session_id = ?1',
        states ? `state in (${states.map((state) => `'${state}'`).join(', ')})` : 'true',
        unsettled ? "wait_for = 'background' and ended_at is not null and settled_at is null" : 'true',
        after === undefined ? '?2 is null' : 'position > (select position from turns where id = ?2)',
      ];
      const sql = `select * from turns where ${where.join(' and ')} order by position limit ?3`;
      return all(sql, sessionId ?? null, after ?? null, limit).map(turnFromRow);
    },

    async getPermission(sessionId, id) {
      const row = get('select * from permissions where id = ? and session_id = ?', id, sessionId);
      return row && permissionFromRow(row);
    },

    async pendingPermissions(sessionId) {
      const rows =
        sessionId === undefined
          ? all("select * from permissions where state = 'pending' order by position")
          : all(
              "select * from permissions where state = 'pending' and session_id = ? order by position",
              sessionId,
            );
      return rows.map(permissionFromRow);
    },

    async readEvents(sessionId, after, limit) {
      return events(
        all(
          'select * from events where session_id = ? and seq > ? order by seq limit ?',
          sessionId,
          after,
          limit,
        ),
      );
    },

    async history(sessionId, { after, until, limit, offset }) {
      const rows = all(
        // An agent's own turn begins without a prompt of anybody.
        `select e.turn_id, e.type, e.data, t.input from
           (select turn_id, type, data, seq from events where session_id = ? and seq > ? and seq <= ?
              and (${IN_HISTORY})) e
         left join turns t on t.id = e.turn_id and e.type = 'turn.started'
         where e.type <> 'turn.started' or t.initiator = 'user'
         order by e.seq limit ? offset ?`,
        sessionId,
        after,
        until,
        limit,
        offset,
      );
      return rows.map((row) => ({
        turnId: row.turn_id === null ? null : String(row.turn_id),
        entry:
          row.type === 'turn.started'
            ? { input: JSON.parse(String(row.input)) as UserInput }
            : { json: String(row.data) },
      }));
    },

    async turnStart(turnId) {
      // Two questions, because each has an index of its own.
      const row =
        get("select seq from events where turn_id = ? and type = 'turn.queued'", turnId) ??
        get("select seq from events where turn_id = ? and type = 'turn.started'", turnId);
      return row && Number(row.seq);
    },

    async readControlEvents(after, limit) {
      return events(
        all(
          "select * from events where cursor > ? and type <> 'agent.message' order by cursor limit ?",
          after,
          limit,
        ),
      );
    },

    async latestEvents(type) {
      // The second condition lets it use the index of control events.
      return events(
        all(
          `select * from events where cursor in
             (select max(cursor) from events where type = ? and type <> 'agent.message' group by session_id)
           order by cursor`,
          type,
        ),
      );
    },

    async lastCursor() {
      return Number(get('select coalesce(max(cursor), 0) as n from events')?.n);
    },

    async usage(sessionId) {
      const filter = sessionId === undefined ? '?1 is null' : 'session_id = ?1';
      const rows = all(
        `select model, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
           sum(cache_read_input_tokens) as cache_read, sum(cache_creation_input_tokens) as cache_creation,
           sum(cost_usd) as cost
         from usage where ${filter} group by model order by model`,
        sessionId ?? null,
      ).map(
        (row): UsageRow => ({
          model: String(row.model),
          inputTokens: Number(row.input_tokens),
          outputTokens: Number(row.output_tokens),
          cacheReadInputTokens: Number(row.cache_read),
          cacheCreationInputTokens: Number(row.cache_creation),
          costUsd: Number(row.cost),
        }),
      );
      const turns = get(
        `select count(*) as n from turns where ended_at is not null and ${filter}`,
        sessionId ?? null,
      );
      return { turns: Number(turns?.n), rows };
    },

    async keyUsage() {
      return new Map(
        all('select key_id, cost_usd from key_usage').map((row) => [
          String(row.key_id),
          Number(row.cost_usd),
        ]),
      );
    },

    async close() {
      if (scheduled) flush();
      db.close();
    },
  };
}

const encodeCursor = (activity: string, id: string): string =>
  Buffer.from(`${activity} ${id}`).toString('base64url');

/** What comes before everything when there is none. */
function decodeCursor(cursor: string | undefined): [string, string] {
  if (cursor === undefined) return ['~', '~'];
  const [activity, id] = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (activity && id && encodeCursor(activity, id) === cursor) return [activity, id];
  throw new AppError(
    'cursor_invalid',
    422,
    'This cursor was not given by a page of sessions. Take "next_cursor" as it came, or leave it out to begin anew.',
  );
}

/** A pattern for `like … escape '\\'` that finds the text anywhere. */
const likeText = (text: string): string => `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
