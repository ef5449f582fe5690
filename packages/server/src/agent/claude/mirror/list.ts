import type { TranscriptStore } from '../../../store/transcripts.ts';
import type { Agent, Transcript, TranscriptQuery } from '../../agent.ts';
import { decodePlace, encodePlace, type Found, isBefore, type Place } from '../library/catalog.ts';
import type { Library } from '../library/library.ts';

/** One conversation of the merged list, and its place there. */
interface Listed {
  transcript: Transcript;
  place: Place;
}

/**
 * The resumable conversations of a node: the stored ones of all sessions, and those on its own disk that no session has.
 * Each once, newest first.
 */
export async function listAll(
  library: Library,
  transcripts: TranscriptStore,
  query: TranscriptQuery,
): ReturnType<Agent['transcripts']> {
  const { scope, cwd, roots, limit, offset, cursor } = query;
  const last = decodePlace(cursor);
  const enough = offset + limit + 1;
  const known = await transcripts.known(await library.ids());
  const [disk, stored, count] = await Promise.all([
    library.list({ ...query, without: [...query.without, ...known], offset: 0, limit: enough }),
    transcripts.list({ scope, cwd, roots, limit: enough, after: last && timeOf(last) }),
    transcripts.count({ scope, cwd, roots }),
  ]);
  const merged: Listed[] = [
    ...disk.found.map((found) => ({ transcript: toTranscript(found), place: found })),
    ...stored.map(({ sessionId, modified, conversationId, preview, title, cwd: project }) => ({
      transcript: { conversationId, modified: new Date(modified), preview, title, cwd: project },
      place: { modified: Date.parse(modified), id: sessionId },
    })),
  ].sort((x, y) => (isBefore(x.place, y.place) ? -1 : 1));
  const page = merged.slice(offset, offset + limit);
  const end = page.at(-1);
  return {
    transcripts: page.map(({ transcript }) => transcript),
    total: disk.total + count,
    next: end && merged.length > offset + limit ? encodePlace(end.place) : null,
  };
}

/** A file's time has fractions of a millisecond, a session's has none. */
function timeOf({ modified, id }: Place): { modified: string; sessionId: string } {
  const whole = Math.floor(modified);
  const isWhole = whole === modified;
  // Behind a fraction come all of that millisecond.
  return { modified: new Date(whole).toISOString(), sessionId: isWhole ? id : '\u{10ffff}' };
}

export const toTranscript = ({ id, modified, preview, title, cwd }: Found): Transcript => ({
  conversationId: id,
  modified: new Date(modified),
  preview,
  title,
  cwd,
});
