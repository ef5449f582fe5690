/**
 * Builds the console into `dist`, with compressed copies beside each file: the server sends those as they are.
 * With `--if-needed`, only when a source is newer than what is there.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

const PACKAGE = import.meta.dirname;
const DIST = join(PACKAGE, 'dist');
/** Built beside, then put in its place: a server that runs goes on showing the one before. */
const NEXT = join(PACKAGE, 'node_modules/.cache/dist');
const FORMER = join(PACKAGE, 'node_modules/.cache/dist.former');
/** Written last: a build that was broken off is made again. */
const STAMP = 'built';
const LOCK = join(PACKAGE, 'node_modules/.cache/building');
const SOURCES = ['src', 'public', '../client/src', '../protocol/src'];
const FILES = ['index.html', 'vite.config.ts', 'build.ts', 'package.json'];
const COMPRESSIBLE = /\.(js|css|html|svg|json|webmanifest)$/;

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

function isCurrent(): boolean {
  const stamp = statSync(join(DIST, STAMP), { throwIfNoEntry: false });
  if (!stamp) return false;
  const built = stamp.mtimeMs;
  const sources = SOURCES.flatMap((folder) => filesIn(join(PACKAGE, folder))).filter(
    (file) => !/\.test\.tsx?$/.test(file),
  );
  return [...sources, ...FILES.map((file) => join(PACKAGE, file))].every(
    (file) => statSync(file).mtimeMs <= built,
  );
}

/** Longer than any build takes: what is older was left by one that was killed. */
const STALE_MS = 5 * 60_000;

/** Test files start together, and two builds in one folder would remove each other's files. */
async function alone(work: () => Promise<void>): Promise<void> {
  mkdirSync(dirname(LOCK), { recursive: true });
  for (;;) {
    try {
      mkdirSync(LOCK);
      break;
    } catch {
      const since = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - since > STALE_MS) rmSync(LOCK, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  try {
    await work();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

const isNeeded = (): boolean => !process.argv.includes('--if-needed') || !isCurrent();

async function buildAll(): Promise<void> {
  // Another one may have built it meanwhile.
  if (!isNeeded()) return;
  // React's own checks are for development; a test runner sets this to "test".
  process.env.NODE_ENV = 'production';
  const output = { outDir: NEXT, emptyOutDir: true };
  await build({ configFile: join(PACKAGE, 'vite.config.ts'), logLevel: 'warn', build: output });
  for (const file of filesIn(NEXT).filter((name) => COMPRESSIBLE.test(name))) {
    const content = readFileSync(file);
    writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 9 };
    writeFileSync(`${file}.br`, brotliCompressSync(content, { params: quality }));
  }
  writeFileSync(join(NEXT, STAMP), '');
  rmSync(FORMER, { recursive: true, force: true });
  if (existsSync(DIST)) renameSync(DIST, FORMER);
  renameSync(NEXT, DIST);
  rmSync(FORMER, { recursive: true, force: true });
}

if (isNeeded()) await alone(buildAll);
