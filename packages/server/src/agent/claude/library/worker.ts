/** The thread of library.ts: answers questions about transcripts, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../errors.ts';
import { type CatalogPage, type CatalogQuery, type Found, openCatalog } from './catalog.ts';

export interface Question {
  number: number;
  /** A refresh that began later than this holds for the question too. */
  askedAt: number;
  ask: { list: CatalogQuery } | { find: string };
}

export type Reply = { number: number } & (
  | { list: CatalogPage }
  | { found: Found | undefined }
  | { error: string }
);

const { projects, file } = workerData as { projects: string; file: string };
const catalog = openCatalog(projects, file);
let refreshedAt = 0;

function reply({ number, askedAt, ask }: Question): Reply {
  try {
    if ('find' in ask) return { number, found: catalog.find(ask.find) };
    if (refreshedAt <= askedAt) {
      const now = Date.now();
      catalog.refresh();
      refreshedAt = now;
    }
    return { number, list: catalog.list(ask.list) };
  } catch (error) {
    return { number, error: messageOf(error) };
  }
}

parentPort?.on('message', (question: Question) => parentPort?.postMessage(reply(question)));
