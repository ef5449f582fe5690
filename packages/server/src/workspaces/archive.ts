import { constants, createReadStream, createWriteStream, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, readlink, symlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { extract, type Pack, pack } from 'tar-stream';
import { createLimit, TooLarge } from './run-git.ts';

/** Bundles hardly compress, and sources well enough: level 1 takes a third of the time of level 6. */
const LEVEL = 1;
/** A manifest names the changed files of a folder. */
const MANIFEST_BYTES = 64 * 1024 * 1024;

/** A file, link or folder to archive. */
export interface Item {
  /** Its name in the archive. */
  name: string;
  /** Where it is. */
  path: string;
}

/** Writes an archive (tar, gzip). @throws TooLarge when it becomes larger than `limit` bytes */
export async function writeArchive(
  file: string,
  manifest: object,
  items: AsyncIterable<Item> | Iterable<Item>,
  { limit, signal }: { limit: number; signal: AbortSignal },
): Promise<void> {
  const tar = pack();
  const written = pipeline(
    tar,
    createGzip({ level: LEVEL }),
    createLimit(limit),
    createWriteStream(file, { mode: 0o600 }),
    { signal },
  );
  // Awaited below; until then a failure ends the tar.
  written.catch(() => {});
  try {
    await addText(tar, 'manifest.json', JSON.stringify(manifest));
    for await (const item of items) {
      if (tar.destroyed) break;
      await add(tar, item);
    }
    tar.finalize();
  } catch (error) {
    tar.destroy();
    // A limit that was met ends the tar, and then no further entry can be added.
    await written.catch((failure: unknown) => {
      if (failure instanceof TooLarge) throw failure;
    });
    signal.throwIfAborted();
    throw error;
  }
  await written.catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}

const addText = (tar: Pack, name: string, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    tar.entry({ name }, text, (error) => (error ? reject(error) : resolve()));
  });

async function add(tar: Pack, { name, path }: Item): Promise<void> {
  const info = await lstat(path);
  const header = { name, mode: info.mode & 0o777, mtime: info.mtime };
  if (info.isDirectory()) await addHeader(tar, { ...header, type: 'directory' });
  else if (info.isSymbolicLink())
    await addHeader(tar, { ...header, type: 'symlink', linkname: await readlink(path) });
  else if (info.isFile()) await addFile(tar, header, path, info);
  // Sockets, pipes and devices belong to what runs.
}

const addHeader = (tar: Pack, header: Parameters<Pack['entry']>[0]): Promise<void> =>
  new Promise((resolve, reject) => {
    tar.entry({ ...header, size: 0 }, Buffer.alloc(0), (error) => (error ? reject(error) : resolve()));
  });

async function addFile(
  tar: Pack,
  header: { name: string; mode: number; mtime: Date },
  path: string,
  { size }: Stats,
): Promise<void> {
  if (size === 0) return addHeader(tar, { ...header, type: 'file' });
  // Not through a link that took the file's place meanwhile.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  const content = createReadStream(path, { fd: handle, end: size - 1 });
  await new Promise<void>((resolve, reject) => {
    const entry = tar.entry({ ...header, type: 'file', size }, (error) =>
      error ? reject(error) : resolve(),
    );
    content.on('error', reject);
    entry.on('error', reject);
    content.pipe(entry as unknown as NodeJS.WritableStream);
  }).finally(() => content.destroy());
}

/** Everything below a folder, itself excluded; `skip` leaves out names at its top. */
export async function* walk(
  folder: string,
  name: string,
  skip: (path: string) => boolean = () => false,
): AsyncGenerator<Item, void, void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (skip(path)) continue;
    const item = { name: `${name}/${entry.name}`, path };
    yield item;
    if (entry.isDirectory()) yield* walk(path, item.name, skip);
  }
}

/** The folder for each first part of the entries' names; `null` leaves those out. */
export type Targets = Readonly<Record<string, string | null>>;

/**
 * Unpacks an archive into folders that are empty and ours alone.
 * @returns the manifest
 * @throws Error for an archive that would write elsewhere
 */
export async function readArchive(file: string, targets: Targets): Promise<unknown> {
  const tar = extract();
  const reading = pipeline(createReadStream(file), createGunzip(), tar as unknown as NodeJS.WritableStream);
  reading.catch(() => {});
  const known = new Set<string>();
  const stamps: { path: string; mtime: Date }[] = [];
  let manifest: unknown;
  for await (const entry of tar) {
    const { name, type, mode, mtime, linkname, size } = entry.header;
    const source = entry as unknown as NodeJS.ReadableStream;
    if (name === 'manifest.json') {
      if (size > MANIFEST_BYTES) throw new Error('the manifest is too large');
      const chunks: Buffer[] = [];
      for await (const chunk of source) chunks.push(chunk as Buffer);
      manifest = JSON.parse(Buffer.concat(chunks).toString());
      continue;
    }
    const path = await placeOf(name, targets, known);
    if (path === undefined) {
      entry.resume();
      await finished(source);
      continue;
    }
    if (type === 'directory') {
      if (!known.has(path)) await mkdir(path, { mode: mode | 0o700 });
      known.add(path);
    } else if (type === 'symlink') {
      await symlink(linkname, path);
    } else if (type === 'file') {
      // `wx` neither overwrites nor follows a link.
      await pipeline(source, createWriteStream(path, { flags: 'wx', mode }));
      stamps.push({ path, mtime });
      continue;
    } else {
      throw new Error(`an entry of type ${type} does not belong here`);
    }
    entry.resume();
    await finished(source);
  }
  await reading;
  for (const { path, mtime } of stamps) await utimes(path, mtime, mtime);
  return manifest;
}

/** The path of an entry, with the folders above it: each of them a real one, never a link that leads elsewhere. */
async function placeOf(name: string, targets: Targets, known: Set<string>): Promise<string | undefined> {
  const parts = name.replace(/\/$/, '').split('/');
  const [first = '', ...rest] = parts;
  const target = Object.hasOwn(targets, first) ? targets[first] : undefined;
  const isPlain = parts.every((part) => !['', '.', '..'].includes(part) && !part.includes('\0'));
  if (target === undefined || !isPlain) throw new Error(`the entry "${name}" does not belong here`);
  if (target === null) return undefined;
  if (!known.has(target)) await mkdir(target, { recursive: true });
  known.add(target);
  const path = join(target, ...rest);
  if (rest.length > 1) await makeFolders(dirname(path), known);
  return path;
}

async function makeFolders(folder: string, known: Set<string>): Promise<void> {
  if (known.has(folder)) return;
  await makeFolders(dirname(folder), known);
  await mkdir(folder);
  known.add(folder);
}
