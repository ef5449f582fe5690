import { type Dirent, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TranscriptQuery } from '../../agent.ts';
import { byTrust, type Copy } from '../../sandbox/live-folders.ts';
import { type Summary, summarize } from './read.ts';

/** A conversation on disk. */
export interface Found {
  id: string;
  path: string;
  size: number;
  /** Milliseconds since 1970. */
  modified: number;
  preview: string;
  title: string | null;
  cwd: string | null;
}

/** Whose sessions they are is not on disk. */
export type CatalogQuery = Omit<TranscriptQuery, 'scope'>;

export interface CatalogPage {
  found: Found[];
  /** The number on all pages. */
  total: number;
  next: string | null;
}

/** A file as of the last read; 10,000 entries take 5 MB. */
interface Row extends Found {
  shown: boolean;
}

/** All transcripts of one configuration folder. A file is read again only if it has changed. */
export interface Catalog {
  /** Picks up changes and returns the number of files read. */
  refresh(): number;
  list(query: CatalogQuery): CatalogPage;
  /** All that it lists. */
  ids(): string[];
  /** The current state of a conversation, in the catalog or not. */
  find(id: string): Found | undefined;
  /** The path of a conversation's file, found in the quickest way. */
  locate(id: string): { path: string; size: number } | undefined;
  close(): void;
}

const SCHEMA = 1;
const TRANSCRIPT = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl$/i;
/** Rows per commit: a first scan of 10,000 files that is interrupted need not start over. */
const BATCH = 500;

/**
 * Everything here is synchronous, because it runs in its own thread. Measured with bench/available.ts.
 * @param projects the agent's folder of transcript folders
 * @param file the catalog's database; it can be deleted at any time
 */
export function openCatalog(projects: string, file: string): Catalog {
  const db = openDatabase(file);
  const files = new Map<string, Row>();
  for (const row of db.prepare('select * from files').all()) {
    files.set(String(row.path), {
      id: String(row.id),
      path: String(row.path),
      size: Number(row.size),
      modified: Number(row.mtime),
      shown: row.shown === 1,
      preview: String(row.preview),
      title: row.title === null ? null : String(row.title),
      cwd: row.cwd === null ? null : String(row.cwd),
    });
  }
  db.exec('pragma secure_delete = on');
  const insert = db.prepare('insert or replace into files values (?, ?, ?, ?, ?, ?, ?, ?)');
  const remove = db.prepare('delete from files where path = ?');
  /** Paths of conversations that were looked up. */
  const places = new Map<string, string>();
  /** The sorted list, newest first; rebuilt after a change. */
  let sorted: Row[] | undefined;

  const store = (path: string, id: string, modified: number, size: number): void => {
    const summary = read(path, size);
    const row: Row = {
      id,
      path,
      size,
      modified,
      shown: summary.isConversation,
      preview: previewOf(summary),
      // A title may have moved out of the part that we read.
      title: summary.title ?? files.get(path)?.title ?? null,
      cwd: summary.cwd,
    };
    insert.run(path, id, modified, size, row.shown ? 1 : 0, row.preview, row.title, row.cwd);
    files.set(path, row);
  };

  /** Of two files of one conversation, the newer one counts. */
  const newestFirst = (): Row[] => {
    const seen = new Set<string>();
    return [...files.values()]
      .filter(({ shown }) => shown)
      .sort((x, y) => (isBefore(x, y) ? -1 : 1))
      .filter(({ id }) => !seen.has(id) && seen.add(id));
  };

  return {
    refresh() {
      const seen = new Set<string>();
      let read = 0;
      let open = false;
      const begin = (): void => {
        if (!open) db.exec('begin');
        open = true;
      };
      const commit = (): void => {
        if (open) db.exec('commit');
        open = false;
      };
      try {
        for (const folder of entries(projects)) {
          if (folder.isFile()) continue;
          for (const { name } of entries(join(projects, folder.name))) {
            const id = TRANSCRIPT.exec(name)?.[1];
            if (id === undefined) continue;
            const path = join(projects, folder.name, name);
            const stat = lstatSync(path, { throwIfNoEntry: false });
            if (!stat?.isFile()) continue;
            seen.add(path);
            const before = files.get(path);
            if (before?.modified === stat.mtimeMs && before.size === stat.size) continue;
            begin();
            store(path, id, stat.mtimeMs, stat.size);
            sorted = undefined;
            if (++read % BATCH === 0) commit();
          }
        }
        for (const path of files.keys()) {
          if (seen.has(path)) continue;
          begin();
          remove.run(path);
          files.delete(path);
          sorted = undefined;
        }
      } finally {
        commit();
      }
      return read;
    },

    list({ cwd, roots, without, only, limit, offset, cursor }) {
      sorted ??= newestFirst();
      const hidden = new Set(without);
      const wanted = only && new Set(only);
      const listed = sorted.filter(
        (row) =>
          !hidden.has(row.id) &&
          (wanted?.has(row.id) ?? true) &&
          (cwd === undefined || row.cwd === cwd) &&
          roots.some((root) => isInside(root, row.cwd)),
      );
      const last = decodePlace(cursor);
      const begin = last ? listed.findIndex((row) => isBefore(last, row)) : 0;
      const rest = begin < 0 ? [] : listed.slice(begin + offset);
      const found = rest.slice(0, limit).map(({ shown: _, ...row }): Found => row);
      const end = found.at(-1);
      return { found, total: listed.length, next: rest.length > limit && end ? encodePlace(end) : null };
    },

    ids() {
      sorted ??= newestFirst();
      return sorted.map(({ id }) => id);
    },

    find(id) {
      for (const { path, size, modified } of copiesOf(projects, id)) {
        const summary = read(path, size);
        if (!summary.isConversation) continue;
        return {
          id,
          path,
          size,
          modified,
          preview: previewOf(summary),
          title: summary.title,
          cwd: summary.cwd,
        };
      }
      return undefined;
    },

    locate(id) {
      const path = places.get(id);
      const stat = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false });
      if (path !== undefined && stat?.isFile()) return { path, size: stat.size };
      const [found] = copiesOf(projects, id);
      if (!found) return undefined;
      places.set(id, found.path);
      return { path: found.path, size: found.size };
    },

    close: () => db.close(),
  };
}

/** The files of a conversation, the one that counts first. */
const copiesOf = (projects: string, id: string): (Copy & { path: string; size: number })[] =>
  entries(projects)
    .flatMap(({ name: folder }) => {
      const path = join(projects, folder, `${id}.jsonl`);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (!stat?.isFile()) return [];
      return [{ path, folder, size: stat.size, modified: stat.mtimeMs, born: stat.birthtimeMs }];
    })
    .sort(byTrust(id));

const previewOf = ({ named, title, prompt }: Summary): string =>
  (named ? title : prompt) || prompt || title || '';

/** The summary of a file. An unreadable file must not hide others. */
function read(path: string, size: number): Summary {
  const nothing: Summary = { isConversation: false, prompt: '', title: null, named: false, cwd: null };
  try {
    return size === 0 ? nothing : summarize(path);
  } catch {
    return nothing;
  }
}

function entries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Missing, not a folder, or not readable.
    return [];
  }
}

export type Place = Pick<Found, 'modified' | 'id'>;

/** Whether x precedes y in the list. */
export const isBefore = (x: Place, y: Place): boolean =>
  x.modified === y.modified ? x.id > y.id : x.modified > y.modified;

const isInside = (root: string, cwd: string | null): boolean =>
  cwd !== null && (cwd === root || cwd.startsWith(root.endsWith('/') ? root : `${root}/`));

function openDatabase(file: string): DatabaseSync {
  try {
    const db = new DatabaseSync(file);
    if (Number(db.prepare('pragma user_version').get()?.user_version) === SCHEMA) return db;
    db.close();
  } catch {
    // Damaged, or not a database: everything in it can be read again.
  }
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(file + end, { force: true });
  const db = new DatabaseSync(file);
  db.exec(`pragma journal_mode = wal; pragma synchronous = off;
    create table files (
      path text primary key, id text not null, mtime real not null, size integer not null, shown integer not null,
      preview text not null, title text, cwd text
    ) strict;
    pragma user_version = ${SCHEMA};`);
  return db;
}

export const encodePlace = ({ modified, id }: Place): string =>
  Buffer.from(JSON.stringify([modified, id])).toString('base64url');

/** undefined for a missing cursor, and for one that we did not issue. */
export function decodePlace(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const [modified, id] = Array.isArray(value) ? (value as unknown[]) : [];
    return typeof modified === 'number' && typeof id === 'string' ? { modified, id } : undefined;
  } catch {
    return undefined;
  }
}
