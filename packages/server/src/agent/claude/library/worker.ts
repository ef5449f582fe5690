/** The worker thread of library.ts: answers requests about transcripts, one at a time. */

import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../errors.ts';
import type { TranscriptLook } from '../../agent.ts';
import { type CatalogPage, type CatalogQuery, type Found, openCatalog } from './catalog.ts';
import { holderOf, promptsIn } from './look.ts';

export interface Question {
  number: number;
  /** A refresh that began after this time serves the request too. */
  askedAt: number;
  ask: { list: CatalogQuery } | { ids: true } | { find: string } | { look: string; from: number | null };
}

export type Reply = { number: number } & (
  | { list: CatalogPage }
  | { ids: string[] }
  | { found: Found | undefined }
  | { looked: TranscriptLook | undefined; path: string | undefined }
  | { error: string }
);

const { projects, file } = workerData as { projects: string; file: string };
const catalog = openCatalog(projects, file);
let refreshedAt = 0;

function look(id: string, from: number | null): Pick<Extract<Reply, { path: unknown }>, 'looked' | 'path'> {
  const file = catalog.locate(id);
  if (!file) return { looked: undefined, path: undefined };
  const looked = {
    size: file.size,
    prompts: from === null ? [] : promptsIn(file.path, from, file.size),
    holder: holderOf(join(projects, '..', 'sessions'), id),
  };
  return { looked, path: file.path };
}

function reply({ number, askedAt, ask }: Question): Reply {
  try {
    if ('find' in ask) return { number, found: catalog.find(ask.find) };
    if ('look' in ask) return { number, ...look(ask.look, ask.from) };
    if (refreshedAt <= askedAt) {
      const now = Date.now();
      catalog.refresh();
      refreshedAt = now;
    }
    return 'ids' in ask ? { number, ids: catalog.ids() } : { number, list: catalog.list(ask.list) };
  } catch (error) {
    return { number, error: messageOf(error) };
  }
}

parentPort?.on('message', (question: Question) => parentPort?.postMessage(reply(question)));
