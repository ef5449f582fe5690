import type { Scope } from './store.ts';

/** A file of a conversation as it is stored. */
export interface KeptFile {
  /** `<conversation>.jsonl` and `<conversation>/…` below its project's folder, others below the agent's own. */
  path: string;
  /** Grows when the file was written anew instead of continued. */
  version: number;
  size: number;
  /** SHA-256 of its last 64 KB, hexadecimal. */
  tail: string;
}

/** A part of a file, at most 1 MB. */
export interface KeptPart {
  path: string;
  version: number;
  /** Where in the file it begins. */
  start: number;
  data: Buffer;
  /** The first part of what is added: what an earlier attempt left from here on goes. */
  first: boolean;
  /** With the last part: the file as it is then. */
  whole: Pick<KeptFile, 'size' | 'tail'> | undefined;
}

/** What lists show of a conversation. */
export interface KeptAbout {
  /** The newest turn that is in the transcript whole; undefined leaves it as it is. */
  turnId: string | undefined;
  preview: string;
  title: string | null;
}

/** A conversation in a list. */
export interface ListedTranscript {
  sessionId: string;
  conversationId: string;
  /** Last activity of its session, ISO 8601. */
  modified: string;
  cwd: string;
  preview: string;
  title: string | null;
}

export interface TranscriptListQuery {
  /** Whose sessions. */
  scope: Scope;
  cwd: string | undefined;
  roots: readonly string[];
  limit: number;
  /** Only what comes after this one. */
  after: { modified: string; sessionId: string } | undefined;
}

/**
 * The files of conversations, for nodes that share a database and no folder. A file is written in parts and counts, as
 * a whole, with the last of them.
 */
export interface TranscriptStore {
  files(sessionId: string, conversationId: string): Promise<KeptFile[]>;
  /**
   * Adds parts, in their order, as the session's owner. Can be repeated.
   * @returns false when another fencing number counts by now: nothing was kept
   */
  keep(
    owner: { sessionId: string; fence: number },
    conversationId: string,
    parts: readonly KeptPart[],
    about?: KeptAbout,
  ): Promise<boolean>;
  /** The content of a file, in order. */
  read(sessionId: string, conversationId: string, file: KeptFile): AsyncGenerator<Buffer, void, void>;
  /**
   * The newest turns, oldest first, that began after the last one that the transcript has whole; none where no
   * transcript is stored.
   */
  behind(sessionId: string, conversationId: string): Promise<string[]>;
  /**
   * Conversations that were erased since that time (of the database, as this returned it; undefined: as long as that is
   * known), and are not there again.
   */
  erased(since: string | undefined): Promise<{ conversationIds: string[]; now: string }>;
  /** Those of these conversations that are stored. */
  known(conversationIds: readonly string[]): Promise<Set<string>>;
  /** The present conversations of sessions, newest activity first. */
  list(query: TranscriptListQuery): Promise<ListedTranscript[]>;
  count(query: Pick<TranscriptListQuery, 'scope' | 'cwd' | 'roots'>): Promise<number>;
}
