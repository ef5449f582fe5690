import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { TranscriptLook } from '../../agent.ts';
import type { CatalogPage, CatalogQuery, Found } from './catalog.ts';
import { holderOf, quickLook } from './look.ts';
import type { Question, Reply } from './worker.ts';

/**
 * The transcripts on disk, scanned in a worker thread: the first scan of 10,000 takes seconds, which must not block
 * the server.
 */
export interface Library {
  list(query: CatalogQuery): Promise<CatalogPage>;
  /** Ids of all conversations on disk. */
  ids(): Promise<string[]>;
  find(conversationId: string): Promise<Found | undefined>;
  /** @param isLive nobody asks for the holder: a process of ours is */
  look(conversationId: string, from: number | null, isLive: boolean): Promise<TranscriptLook | undefined>;
  /** Forgets what is gone. */
  refresh(): Promise<void>;
  /** The agent's folder of transcript folders. */
  readonly projects: string;
  close(): Promise<void>;
}

export interface LibraryOptions {
  /** The agent's folder of transcript folders. */
  projects: string;
  /** The file that keeps the catalog between starts. */
  file: string;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** A path takes 0.3 KB; those of live sessions come back at once. */
const KEPT_PATHS = 1_000;

/** Next to this file, as TypeScript or built. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

export function createLibrary(options: LibraryOptions): Library {
  let worker: Worker | undefined;
  let number = 0;
  const waiting = new Map<number, Waiting>();
  const register = join(options.projects, '..', 'sessions');
  /** Where the transcripts of conversations were that were looked at. */
  const paths = new Map<string, string>();

  const start = (): Worker => {
    const started = new Worker(WORKER, { workerData: options });
    started.on('message', (reply: Reply) => {
      waiting.get(reply.number)?.resolve(reply);
      waiting.delete(reply.number);
      // Only a pending request keeps the process alive.
      if (waiting.size === 0) started.unref();
    });
    const end = (error: unknown): void => {
      if (worker === started) worker = undefined;
      for (const each of waiting.values()) each.reject(error);
      waiting.clear();
    };
    started.on('error', end);
    started.on('exit', () => end(new Error('The worker thread that lists transcripts has exited.')));
    return started;
  };

  const ask = (question: Question['ask']): Promise<Reply> =>
    new Promise((resolve, reject) => {
      worker ??= start();
      waiting.set(++number, { resolve, reject });
      worker.ref();
      worker.postMessage({ number, askedAt: Date.now(), ask: question } satisfies Question);
    });

  return {
    async list(query) {
      const reply = await ask({ list: query });
      if ('list' in reply) return reply.list;
      throw new Error('error' in reply ? reply.error : 'unexpected answer');
    },
    async ids() {
      const reply = await ask({ ids: true });
      if ('ids' in reply) return reply.ids;
      throw new Error('error' in reply ? reply.error : 'unexpected answer');
    },
    async find(conversationId) {
      const reply = await ask({ find: conversationId });
      if ('found' in reply) return reply.found;
      throw new Error('error' in reply ? reply.error : 'unexpected answer');
    },
    async look(conversationId, from, isLive) {
      const path = paths.get(conversationId);
      const quick = from !== null && path !== undefined ? quickLook(path, from) : undefined;
      if (quick) return { ...quick, holder: isLive ? undefined : holderOf(register, conversationId) };
      const reply = await ask({ look: conversationId, from });
      if ('looked' in reply) {
        if (paths.size >= KEPT_PATHS) paths.clear();
        if (reply.path !== undefined) paths.set(conversationId, reply.path);
        return reply.looked;
      }
      throw new Error('error' in reply ? reply.error : 'unexpected answer');
    },
    async refresh() {
      await ask({ list: { roots: [], without: [], limit: 0, offset: 0 } });
    },
    projects: options.projects,
    async close() {
      await worker?.terminate();
    },
  };
}
