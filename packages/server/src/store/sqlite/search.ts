import type { SQLInputValue } from 'node:sqlite';
import { likeText } from '../list-cursor.ts';
import type { Statements } from './statements.ts';

/** A condition on sessions. */
export interface Condition {
  sql: string;
  values: SQLInputValue[];
}

/** What the index finds is compared one by one: 1 ms for 1,000 messages. Of more, the newest sessions soon fill a page. */
const COMPARED = 10_000;
/** So many letter triples tell nearly all texts apart. */
const TRIPLES = 24;

/**
 * Sessions with a text in their title or in a message. The index of letter triples knows the few messages that may have
 * it. Without three letters, or with many such messages, sessions are tested while the list is walked.
 */
export function searchCondition(sql: Statements, q: string): Condition {
  const pattern = likeText(q);
  const triples = triplesOf(q);
  if (triples === undefined || !areFew(sql, triples)) {
    return {
      sql: `(title like ? escape '\\' or exists
         (select 1 from turn_texts t where t.session_id = sessions.id and t.text like ? escape '\\'))`,
      values: [pattern, pattern],
    };
  }
  return {
    sql: `id in (select t.session_id from turn_text f cross join turn_texts t on t.position = f.rowid
        where f.turn_text match ? and t.text like ? escape '\\'
      union all select id from sessions where title is not null and title like ? escape '\\')`,
    values: [triples, pattern, pattern],
  };
}

function areFew(sql: Statements, triples: string): boolean {
  const found = sql.get(
    'select count(*) as n from (select 1 from turn_text where turn_text match ? limit ?)',
    triples,
    COMPARED + 1,
  );
  return Number(found?.n) <= COMPARED;
}

/** The text's letter triples as a query of the index; undefined for a text that has none. */
function triplesOf(text: string): string | undefined {
  const letters = [...text];
  // SQLite ends a text at this character.
  if (letters.length < 3 || text.includes('\0')) return undefined;
  const triples = new Set<string>();
  for (let n = 0; n + 3 <= letters.length && triples.size < TRIPLES; n++)
    triples.add(letters.slice(n, n + 3).join(''));
  return [...triples].map((triple) => `"${triple.replaceAll('"', '""')}"`).join(' AND ');
}
