import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SavedObject } from '../store/store.ts';

/**
 * Where saved workspaces are kept, by key. What is put under a key never changes: each save has a key of its own, so
 * that a put which breaks off leaves everything before it as it was.
 *
 * Rules that every implementation keeps (objects.conformance.ts tests them):
 * - an object is there as a whole or not at all, and durable when `put` settles;
 * - `list` gives every key that begins with a prefix, in order;
 * - removing what is not there is no failure.
 */
export interface ObjectStore {
  /**
   * @param file the content, of the size and hash that `object` says
   * @param signal gives it up
   */
  put(object: SavedObject, file: string, signal?: AbortSignal): Promise<void>;
  /** @throws ObjectMissing */
  read(key: string): Promise<Readable>;
  remove(key: string): Promise<void>;
  list(prefix: string): Promise<string[]>;
}

/** There is nothing under a key. */
export class ObjectMissing extends Error {
  constructor(key: string) {
    super(`There is no object ${key} in the object store.`);
    this.name = 'ObjectMissing';
  }
}

/** Keys are plain names with slashes between them, so that they need no encoding anywhere. */
const KEY = /^[a-z0-9-]+(\/[a-z0-9-]+(\.[a-z0-9-]+)*)*$/;

export function requireKey(key: string): void {
  if (!KEY.test(key)) throw new Error(`"${key}" cannot be the key of an object.`);
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** Objects as files of a folder, for one machine or on a file system that all machines share. */
export function createDirectoryObjects(folder: string): ObjectStore {
  const pathOf = (key: string): string => {
    requireKey(key);
    return join(folder, key);
  };

  return {
    async put({ key }, file, signal) {
      const path = pathOf(key);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // No key has a name like this one, so that a list never shows it.
      const partial = join(folder, `.partial-${randomBytes(8).toString('hex')}`);
      try {
        await pipeline(createReadStream(file), createWriteStream(partial, { mode: 0o600, flush: true }), {
          ...(signal && { signal }),
        });
        await moveTo(path, partial);
      } finally {
        await rm(partial, { force: true });
      }
    },
    async read(key) {
      const file = await open(pathOf(key)).catch((error: unknown) => {
        throw isMissing(error) ? new ObjectMissing(key) : error;
      });
      return file.createReadStream();
    },
    async remove(key) {
      const path = pathOf(key);
      await rm(path, { force: true });
      // The last object of a session takes its folder with it.
      await rmdir(dirname(path)).catch(() => {});
    },
    async list(prefix) {
      // Only the folder that the prefix names is read.
      const within = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      const found = await readdir(join(folder, within), { recursive: true, withFileTypes: true }).catch(
        (error: unknown) => {
          if (isMissing(error)) return [];
          throw error;
        },
      );
      const keys = found
        .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
        .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length));
      return keys.filter((key) => key.startsWith(prefix)).sort();
    },
  };
}

/** Moves a file to its place; the folder may be removed between the two steps, with another object. */
async function moveTo(path: string, file: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await rename(file, path);
      return await syncFolder(dirname(path));
    } catch (error) {
      if (!isMissing(error) || attempt === 3 || !existsSync(file)) throw error;
    }
  }
}

/** A rename is durable when its folder is written. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Size and hash of a file, as its object has them. */
export async function describeFile(key: string, file: string): Promise<SavedObject> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return { key, bytes: (await stat(file)).size, sha256: hash.digest('hex') };
}

/** Writes an object to a file. @throws when it did not arrive as it was put */
export async function fetchObject(objects: ObjectStore, object: SavedObject, file: string): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(await objects.read(object.key), count, createWriteStream(file, { mode: 0o600 }));
  if (bytes !== object.bytes || hash.digest('hex') !== object.sha256) {
    throw new Error(`The object ${object.key} is not as it was saved.`);
  }
}
