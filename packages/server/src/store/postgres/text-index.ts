import type { Sql } from './pool.ts';

const ADVICE =
  'The database has no index for GET /sessions?q=, so each search for a rare text reads every message. Have an administrator of it run: create extension pg_trgm; create index concurrently turn_texts_by_text on turn_texts using gin (text gin_trgm_ops); create index concurrently session_labels_by_title on session_labels using gin (title gin_trgm_ops).';

/** Says what to do when the migration could not make the indexes of texts (009-search.sql). */
export async function checkTextIndex(
  sql: Sql,
  onError: (error: unknown, what: string) => void,
): Promise<void> {
  const row = await sql.get("select to_regclass('turn_texts_by_text') is not null as there");
  if (row?.there !== true) onError(new Error(ADVICE), 'find an index for texts');
}
