import { Worker } from 'node:worker_threads';
import type { TranscriptLook, TranscriptQuery } from '../../agent.ts';
import type { CatalogPage, Found } from './catalog.ts';
import type { Question, Reply } from './worker.ts';

/**
 * The transcripts on disk, looked through in a thread of its own: with 10,000 of them that takes seconds the first
 * time, and the server has other things to do.
 */
export interface Library {
  list(query: TranscriptQuery): Promise<CatalogPage>;
  find(conversationId: string): Promise<Found | undefined>;
  look(conversationId: string, from: number | null): Promise<TranscriptLook | undefined>;
  /** The agent's folder of folders of transcripts. */
  readonly projects: string;
  close(): Promise<void>;
}

export interface LibraryOptions {
  /** The agent's folder of folders of transcripts. */
  projects: string;
  /** Where the catalog is kept between two starts. */
  file: string;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** Beside this file, in TypeScript or built. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

export function createLibrary(options: LibraryOptions): Library {
  let worker: Worker | undefined;
  let number = 0;
  const waiting = new Map<number, Waiting>();

  const start = (): Worker => {
    const started = new Worker(WORKER, { workerData: options });
    started.on('message', (reply: Reply) => {
      waiting.get(reply.number)?.resolve(reply);
      waiting.delete(reply.number);
      // Only a question that is open keeps the program from ending.
      if (waiting.size === 0) started.unref();
    });
    const end = (error: unknown): void => {
      if (worker === started) worker = undefined;
      for (const each of waiting.values()) each.reject(error);
      waiting.clear();
    };
    started.on('error', end);
    started.on('exit', () => end(new Error('The thread that lists transcripts has ended.')));
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
    async find(conversationId) {
      const reply = await ask({ find: conversationId });
      if ('found' in reply) return reply.found;
      throw new Error('error' in reply ? reply.error : 'unexpected answer');
    },
    async look(conversationId, from) {
      const reply = await ask({ look: conversationId, from });
      if ('looked' in reply) return reply.looked;
      throw new Error('error' in reply ? reply.error : 'unexpected answer');
    },
    projects: options.projects,
    async close() {
      await worker?.terminate();
    },
  };
}
