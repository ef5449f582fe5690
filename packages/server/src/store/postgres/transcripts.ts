import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type {
  KeptAbout,
  KeptPart,
  ListedTranscript,
  TranscriptListQuery,
  TranscriptStore,
} from '../transcripts.ts';
import { asText, type Sql, type Value } from './pool.ts';
import { inScope } from './sessions.ts';

/** A conversation's first 150 KB become 25 KB; deflate makes 44 KB of them, in more time. */
const [pack, unpack] = [promisify<Buffer, Buffer>(zstdCompress), promisify<Buffer, Buffer>(zstdDecompress)];

/** Chunks that are read at a time, of at most 1 MB each. */
const CHUNKS = 4;
/** A node that was away for longer keeps its copies of what was erased meanwhile. */
const REMEMBERED = '90 days';
/** An erasure may commit so long after its time. */
const LATE_COMMIT = '1 minute';
/** More turns than this are missing only after a database failed for that long. */
const TURNS_BEHIND = 20;

/** "offset 0" keeps this order of the tables: sessions by their activity, as far as the page goes. */
const LISTED = `from sessions s cross join lateral (select preview, title from transcripts
    where session_id = s.id and conversation_id = s.conversation_id offset 0) t
  where s.hidden is null`;
const COUNTED = `from sessions s
  join transcripts t on t.session_id = s.id and t.conversation_id = s.conversation_id where s.hidden is null`;

/** The agent's files of conversations in PostgreSQL; `keep_transcript` is in the migrations. */
export const transcriptStore = (sql: Sql): TranscriptStore => ({
  async files(sessionId, conversationId) {
    const rows = await sql.all(
      'select path, version, size, tail from transcript_files where session_id = $1 and conversation_id = $2',
      sessionId,
      conversationId,
    );
    return rows.map(({ path, version, size, tail }) => ({
      path: String(path),
      version: Number(version),
      size: Number(size),
      tail: String(tail),
    }));
  },

  async keep({ sessionId, fence }, conversationId, parts, about) {
    const packed = await Promise.all(parts.map(({ data }) => (data.length > 0 ? pack(data) : data)));
    const row = await sql.get(
      'select keep_transcript($1, $2, $3, $4, $5, $6) as kept',
      sessionId,
      fence,
      conversationId,
      about ? JSON.stringify(summarize(about)) : null,
      JSON.stringify(parts.map((part, n) => describe(part, packed[n]?.length ?? 0))),
      Buffer.concat(packed),
    );
    return Boolean(row?.kept);
  },

  async *read(sessionId, conversationId, { path, version, size }) {
    for (let start = 0; start < size; ) {
      const rows = await sql.all(
        `select data from transcript_chunks
         where session_id = $1 and conversation_id = $2 and path = $3 and version = $4 and start >= $5 and start < $6
         order by start limit $7`,
        sessionId,
        conversationId,
        path,
        version,
        start,
        size,
        CHUNKS,
      );
      if (rows.length === 0) return;
      for (const { data } of rows) {
        const chunk = await unpack(data as unknown as Buffer);
        yield chunk.subarray(0, size - start);
        start += chunk.length;
      }
    }
  },

  async behind(sessionId, conversationId) {
    const rows = await sql.all(
      `select t.id from turns t
       where t.session_id = $1 and t.initiator = 'user' and t.steers is null and t.started_at is not null
         and exists (select from transcripts where session_id = $1 and conversation_id = $2)
         and t.position > coalesce((select k.position from transcripts h
           join turns k on k.session_id = h.session_id and k.id = h.turn_id
           where h.session_id = $1 and h.conversation_id = $2), -1)
       order by t.position desc limit $3`,
      sessionId,
      conversationId,
      TURNS_BEHIND,
    );
    return rows.map(({ id }) => String(id)).reverse();
  },

  async erased(since) {
    const { now } = (await sql.get('select now()::text as now')) ?? {};
    await sql.all(`delete from erased_conversations where at < now() - interval '${REMEMBERED}'`);
    const rows = await sql.all(
      `select e.conversation_id from erased_conversations e
       left join lateral (select id from conversations where id = e.conversation_id offset 0) c on true
       where e.at > coalesce($1::timestamptz, '-infinity') - interval '${LATE_COMMIT}' and c.id is null`,
      since ?? null,
    );
    return { conversationIds: rows.map(({ conversation_id: id }) => String(id)), now: String(now) };
  },

  async known(conversationIds) {
    const rows = await sql.all(
      `select c.id from conversations c
       join transcripts t on t.session_id = c.session_id and t.conversation_id = c.id where c.id = any($1::text[])`,
      conversationIds,
    );
    return new Set(rows.map(({ id }) => String(id)));
  },

  async list({ after, limit, ...which }) {
    // A time that none reaches.
    const values: Value[] = [after?.modified ?? '9', after?.sessionId ?? ''];
    const conditions = conditionsOf(which, values);
    const rows = await sql.all(
      `select s.id, s.conversation_id, s.last_activity, s.cwd, t.preview, t.title ${LISTED}
         and (s.last_activity, s.id) < ($1, $2)${conditions}
       order by s.last_activity desc, s.id desc limit $${values.push(limit)}`,
      ...values,
    );
    return rows.map(
      ({ id, conversation_id, last_activity, cwd, preview, title }): ListedTranscript => ({
        sessionId: String(id),
        conversationId: String(conversation_id),
        modified: String(last_activity),
        cwd: String(cwd),
        preview: String(preview),
        title: title === null ? null : String(title),
      }),
    );
  },

  async count(which) {
    const values: Value[] = [];
    const row = await sql.get(`select count(*) as n ${COUNTED}${conditionsOf(which, values)}`, ...values);
    return Number(row?.n);
  },
});

/** jsonb refuses NUL and halves of surrogate pairs. */
const summarize = ({ turnId, preview, title }: KeptAbout): object => ({
  turn: turnId,
  preview: asText(preview),
  title: title === null ? null : asText(title),
});

const describe = ({ path, version, start, first, whole }: KeptPart, bytes: number): object => ({
  path,
  version,
  start,
  bytes,
  first,
  ...whole,
});

/** The conditions of a list; adds their values to those of the statement. A folder below `/` is one below any. */
function conditionsOf(
  { scope, cwd, roots }: Pick<TranscriptListQuery, 'scope' | 'cwd' | 'roots'>,
  values: Value[],
): string {
  const conditions = inScope(scope, values, 's.');
  if (cwd !== undefined) conditions.push(`s.cwd = $${values.push(cwd)}`);
  if (!roots.includes('/')) {
    const root = `unnest($${values.push(roots)}::text[]) root`;
    conditions.push(`(select bool_or(s.cwd = root or starts_with(s.cwd, root || '/')) from ${root})`);
  }
  return conditions.map((condition) => ` and ${condition}`).join('');
}
