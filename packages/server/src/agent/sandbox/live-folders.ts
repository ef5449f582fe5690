/** Folders of transcripts of sessions that have an agent in a sandbox; their names differ from those of all projects. */
const LIVE = 'sandbox-';

/** The name of the folder of transcripts that a session's agent has to itself. */
export const liveFolder = (sessionId: string): string => `${LIVE}${sessionId}`;

/** Whether a folder of transcripts is one of those. */
export const isLive = (folder: string): boolean => folder.startsWith(LIVE);

/** A file or folder of a conversation, in one of the folders of transcripts. */
export interface Copy {
  /** The name of that folder. */
  folder: string;
  modified: number;
  born: number;
}

/**
 * Sorts the copies of a conversation, the one that counts first. A conversation that moved to another folder may have left
 * an older one behind. And an agent in a sandbox can write any name into its own folder, such as that of another session's
 * conversation: there, only its own counts before those elsewhere, and of two others the one that was there first.
 */
export const byTrust =
  (conversationId: string) =>
  (a: Copy, b: Copy): number => {
    const rank = rankOf(a, conversationId);
    if (rank !== rankOf(b, conversationId)) return rank - rankOf(b, conversationId);
    return rank === FOREIGN ? a.born - b.born : b.modified - a.modified;
  };

const FOREIGN = 2;

/** After a /clear, a session's folder has a conversation of another id. */
function rankOf({ folder }: Copy, conversationId: string): number {
  if (folder === liveFolder(conversationId)) return 0;
  return isLive(folder) ? FOREIGN : 1;
}
