import { setTimeout as sleep } from 'node:timers/promises';
import { problem } from '../../../errors.ts';
import type { Store } from '../../../store/store.ts';
import type { KeptFile, TranscriptStore } from '../../../store/transcripts.ts';
import { isAsStored, type LocalFile, localFiles, NotAsStored, placesOf, writeStored } from './local.ts';
import { isSeen, LARGEST_FILE, type Stored, storeFiles } from './upload.ts';

export interface MirrorDeps {
  /** The agent's configuration folder. */
  folder: string;
  transcripts: TranscriptStore;
  store: Pick<Store, 'conversation' | 'getSession'>;
  /** The fencing number under which this node may write of a session. */
  fence(sessionId: string): number | undefined;
  onError(error: unknown, what: string): void;
}

/** A conversation of a session. */
export interface Conversation {
  sessionId: string;
  conversationId: string;
}

/** The stored conversations, for nodes that share a database and no folder. */
export interface Mirror {
  /**
   * Makes the files here what is stored, unless they have more, or a process of ours has them open.
   * @throws when they cannot be read from the store or written here
   */
  ready(conversationId: string): Promise<void>;
  /** The same, and then stores what is new in the files here. @throws AppError 503 when this node does not own the session */
  keep(conversation: Conversation): Promise<void>;
  /** A process begins to work in a conversation. */
  open(conversation: Conversation): Recording;
  /** Nothing of the session is only here. */
  isKept(sessionId: string): boolean;
  readonly transcripts: TranscriptStore;
  /** The agent's configuration folder. */
  readonly folder: string;
  onError(error: unknown, what: string): void;
}

/** What a process does to its conversation. */
export interface Recording {
  /** It has begun with a message. */
  taken(turnId: string): void;
  /** It goes on in another conversation. */
  moved(conversationId: string): void;
  /** It has written something. */
  wrote(): void;
  /** Settles when the conversation is stored as of now, or when that takes too long. */
  turnEnds(): Promise<void>;
  /** The process is gone: the same, with more time. */
  end(): Promise<void>;
}

/** The end of a turn waits so long for the store; usually it is 3 ms. */
const TURN_MS = 2_000;
const END_MS = 5_000;
/** During a long turn what is new is stored this often: a node that dies loses no more of a subagent's work. */
const EVERY_MS = 15_000;
const RETRY_MS = 5_000;
/** No fencing number: this node does not own the session, and remembers nothing of it. */
const NOBODY = -1;
/** Conversations whose stored state is remembered, at about 1 KB each. */
const REMEMBERED = 1_000;
/** What is stored of a conversation, as of a fencing number: nobody else has written under it. */
interface Known extends Stored {
  sessionId: string;
  fence: number;
}

interface Target extends Conversation {
  fence: number;
  turnId?: string | undefined;
}

export function createMirror(deps: MirrorDeps): Mirror {
  const { folder, transcripts, store, fence, onError } = deps;
  const known = new Map<string, Known>();
  /** Conversations that processes of ours have open. */
  const open = new Map<string, number>();
  /** Work on the files of one conversation, one after the other. */
  const tails = new Map<string, Promise<unknown>>();
  /** Sessions with something that could not be stored yet. */
  const unkept = new Map<string, Target>();
  const tooLarge = new Set<string>();

  const inTurn = async <T>(conversationId: string, work: () => Promise<T>): Promise<T> => {
    const before = tails.get(conversationId);
    const mine = (async () => {
      await before?.catch(() => {});
      return work();
    })();
    tails.set(conversationId, mine);
    try {
      return await mine;
    } finally {
      if (tails.get(conversationId) === mine) tails.delete(conversationId);
    }
  };

  /** What is stored, from memory if nobody else can have written since. */
  const storedOf = async (sessionId: string, conversationId: string, now: number): Promise<Known> => {
    const before = known.get(conversationId);
    if (before?.sessionId === sessionId && before.fence === now) return before;
    const files = await transcripts.files(sessionId, conversationId);
    return {
      sessionId,
      fence: now,
      files: new Map(files.map((file) => [file.path, file])),
      seen: new Map(),
    };
  };

  const remember = (conversationId: string, state: Known): void => {
    known.delete(conversationId);
    known.set(conversationId, state);
    const [oldest] = known.size > REMEMBERED ? known.keys() : [];
    if (oldest !== undefined) known.delete(oldest);
  };

  // ---- from the store

  const bringBack = async (conversationId: string): Promise<void> => {
    if (open.has(conversationId)) return;
    const before = known.get(conversationId);
    const isCurrent = before && fence(before.sessionId) === before.fence;
    const { sessionId } = (isCurrent ? before : await store.conversation(conversationId)) ?? {};
    if (sessionId === undefined) return;
    const now = fence(sessionId);
    let stored = await storedOf(sessionId, conversationId, now ?? NOBODY);
    const here = await localFiles(folder, conversationId);
    const seen = new Set(here.filter((file) => isSeen(stored, file)).map(({ path }) => path));
    const others = [...stored.files.values()].filter(({ path }) => !seen.has(path));
    if (others.length > 0 && !(await compare(stored, conversationId, others))) {
      // Another node may have been writing; and once more, to go on without it.
      known.delete(conversationId);
      stored = await storedOf(sessionId, conversationId, now ?? NOBODY);
      await compare(stored, conversationId, [...stored.files.values()], true);
    }
    if (now !== undefined && now === fence(sessionId)) remember(conversationId, stored);
  };

  /**
   * Writes those of the stored files that are missing here, shorter or others.
   * @param leave leaves a damaged one out: the conversation then continues with what is here, or from the log
   * @returns false when one is not what is said to be stored
   */
  const compare = async (
    { sessionId, files, seen }: Known,
    conversationId: string,
    others: readonly KeptFile[],
    leave = false,
  ): Promise<boolean> => {
    const session = await store.getSession(sessionId);
    if (!session) return true;
    const placeOf = await placesOf(folder, { id: conversationId, cwd: session.cwd });
    for (const file of others) {
      const place = placeOf(file.path);
      if (await isAsStored(place, file)) continue;
      try {
        await writeStored(place, file, transcripts.read(sessionId, conversationId, file));
      } catch (error) {
        if (!(error instanceof NotAsStored)) throw error;
        if (!leave) return false;
        onError(error, `bring back the transcript of session ${sessionId}`);
      }
    }
    for (const file of await localFiles(folder, conversationId))
      if (file.size === files.get(file.path)?.size) seen.set(file.path, file);
    return true;
  };

  // ---- to the store

  const upload = async ({ sessionId, conversationId, fence: mine, turnId }: Target): Promise<void> => {
    const moved = (): Error => problem('session_moved', { id: sessionId, kept: false });
    // Another node may have written, and what is here may be old.
    if (fence(sessionId) !== mine) throw moved();
    const stored = await storedOf(sessionId, conversationId, mine);
    known.delete(conversationId);
    const owner = { sessionId, fence: mine };
    if (!(await storeFiles(uploads, owner, conversationId, stored, turnId))) throw moved();
    remember(conversationId, stored);
  };

  const uploads = {
    folder,
    transcripts,
    onTooLarge({ place, size }: LocalFile) {
      if (tooLarge.has(place)) return;
      tooLarge.add(place);
      const why = `${place} has ${size} bytes, and at most ${LARGEST_FILE} are stored. On another node its session goes on without it.`;
      onError(new Error(why), 'store a file of a conversation');
    },
  };

  const keepNow = (target: Target, compare = false): Promise<void> =>
    inTurn(target.conversationId, async () => {
      if (compare) await bringBack(target.conversationId);
      await upload(target);
      unkept.delete(target.conversationId);
    });

  /** Keeps it, or goes on trying in the background. Never rejects. */
  const keepSurely = async (target: Target): Promise<void> => {
    try {
      await keepNow(target);
    } catch (error) {
      if (fence(target.sessionId) !== target.fence) {
        unkept.delete(target.conversationId);
        return;
      }
      if (!unkept.has(target.conversationId))
        onError(error, `store the transcript of session ${target.sessionId}`);
      unkept.set(target.conversationId, target);
      setTimeout(() => {
        if (unkept.get(target.conversationId) === target) void keepSurely(target);
      }, RETRY_MS).unref();
    }
  };

  const within = async (ms: number, work: Promise<unknown>): Promise<void> => {
    const late = new AbortController();
    await Promise.race([work, sleep(ms, undefined, { signal: late.signal, ref: false }).catch(() => {})]);
    late.abort();
  };

  return {
    ready: (conversationId) => inTurn(conversationId, () => bringBack(conversationId)),

    async keep(conversation) {
      const now = fence(conversation.sessionId);
      if (now === undefined) throw problem('session_moved', { id: conversation.sessionId, kept: false });
      await keepNow({ ...conversation, fence: now }, true);
    },

    open({ sessionId, conversationId: first }) {
      const mine = fence(sessionId);
      /** Conversations that it has worked in and not stored since; the last one is the present one. */
      let worked = [first];
      let begun: string | undefined;
      /** The last turn whose messages are all in the transcript. */
      let whole: string | undefined;
      let storedAt = performance.now();
      let ended: Promise<void> | undefined;
      const count = (id: string, by: number): void => {
        const left = (open.get(id) ?? 0) + by;
        if (left > 0) open.set(id, left);
        else open.delete(id);
      };
      count(first, 1);
      const opened = [first];

      const store = async (): Promise<void> => {
        if (mine === undefined) return;
        storedAt = performance.now();
        const due = worked;
        worked = due.slice(-1);
        const present = worked[0];
        for (const conversationId of due) {
          const turn = conversationId === present ? whole : undefined;
          await keepSurely({ sessionId, conversationId, fence: mine, turnId: turn });
        }
      };

      return {
        taken(id) {
          begun = id;
        },
        moved(id) {
          if (worked.at(-1) === id) return;
          worked = [...worked, id];
          opened.push(id);
          count(id, 1);
        },
        wrote() {
          if (performance.now() - storedAt > EVERY_MS) void store();
        },
        turnEnds() {
          whole = begun;
          return within(TURN_MS, store());
        },
        end() {
          whole = begun;
          ended ??= within(END_MS, store()).finally(() => {
            for (const id of opened) count(id, -1);
          });
          return ended;
        },
      };
    },

    isKept: (sessionId) => [...unkept.values()].every((each) => each.sessionId !== sessionId),
    transcripts,
    folder,
    onError,
  };
}
