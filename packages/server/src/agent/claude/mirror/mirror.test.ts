import { createHash, randomUUID } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { KeptFile, TranscriptStore } from '../../../store/transcripts.ts';
import { createMirror, type Mirror } from './mirror.ts';

const CWD = '/work/folder';

/** The stored files, in memory; what the database does is tested with it. */
function memoryTranscripts() {
  const files = new Map<string, KeptFile & { content: Buffer }>();
  const pending = new Map<string, Buffer>();
  let failing = false;
  let keeps = 0;
  const store: TranscriptStore = {
    files: async () => [...files.values()].map(({ content: _, ...file }) => file),
    async keep({ fence }, _, parts) {
      if (failing) throw new Error('The database is away.');
      keeps += 1;
      if (fence !== state.fence) return false;
      for (const { path, version, start, data, whole } of parts) {
        const before = start === 0 ? Buffer.alloc(0) : (pending.get(path) ?? files.get(path)?.content);
        const content = Buffer.concat([before?.subarray(0, start) ?? Buffer.alloc(0), data]);
        pending.set(path, content);
        if (!whole) continue;
        files.set(path, { path, version, ...whole, content });
        pending.delete(path);
      }
      return true;
    },
    async *read(_, __, { path }) {
      yield files.get(path)?.content ?? Buffer.alloc(0);
    },
    behind: async () => [],
    erased: async () => ({ conversationIds: [], now: '' }),
    known: async () => new Set(),
    list: async () => [],
    count: async () => 0,
  };
  const state = {
    store,
    files,
    fence: 1,
    fail: (now: boolean) => {
      failing = now;
    },
    keeps: () => keeps,
  };
  return state;
}

describe('the mirror of transcripts', () => {
  const id = randomUUID();
  const session = { sessionId: id, conversationId: id };
  let stored: ReturnType<typeof memoryTranscripts>;
  let folders: string[];
  let errors: unknown[];
  beforeEach(() => {
    stored = memoryTranscripts();
    folders = [];
    errors = [];
  });
  afterEach(() => {
    vi.useRealTimers();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** A node with folders of its own. `fence` is the number under which it owns the session; undefined: it does not. */
  const node = (): { mirror: Mirror; folder: string; file: string; own: { fence: number | undefined } } => {
    const folder = mkdtempSync(join(tmpdir(), 'mirror-'));
    folders.push(folder);
    const own: { fence: number | undefined } = { fence: stored.fence };
    const mirror = createMirror({
      folder,
      transcripts: stored.store,
      store: {
        conversation: async () => ({ id, sessionId: id, afterSeq: 0, fromDisk: false }),
        getSession: async () => ({ cwd: CWD }) as never,
      },
      fence: () => own.fence,
      onError: (error) => errors.push(error),
    });
    const file = join(folder, 'projects', '-work-folder', `${id}.jsonl`);
    mkdirSync(dirname(file), { recursive: true });
    return { mirror, folder, file, own };
  };
  const contentOf = (path: string): string | undefined => stored.files.get(path)?.content.toString();
  const main = (): string | undefined => contentOf(`${id}.jsonl`);

  test('stores whole lines only, and continues where it was', async () => {
    const { mirror, file } = node();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n{"b":2');
    await process.turnEnds();
    expect(main()).toBe('{"a":1}\n');
    appendFileSync(file, '}\n');
    await process.turnEnds();
    expect(main()).toBe('{"a":1}\n{"b":2}\n');
    expect(stored.files.get(`${id}.jsonl`)?.version).toBe(0);
    const before = stored.keeps();
    await process.turnEnds();
    expect(stored.keeps()).toBe(before);
  });

  test('stores a file anew that was written anew or became shorter', async () => {
    const { mirror, file } = node();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n{"b":2}\n{"c":3}\n');
    await process.turnEnds();
    writeFileSync(file, '{"a":1}\n{"c":3}\n');
    await process.turnEnds();
    expect(main()).toBe('{"a":1}\n{"c":3}\n');
    writeFileSync(file, '{"x":1}\n{"c":3}\n{"d":4}\n');
    await process.end();
    expect(main()).toBe('{"x":1}\n{"c":3}\n{"d":4}\n');
    expect(stored.files.get(`${id}.jsonl`)?.version).toBe(2);
  });

  test('another node gets the same bytes, of large files and of those beside the transcript too', async () => {
    const one = node();
    const line = `{"text":"${'x'.repeat(700_000)}"}\n`;
    writeFileSync(one.file, line.repeat(9));
    const beside = {
      [`${id}/subagents/agent-1.jsonl`]: '{"s":1}\n',
      [`${id}/tool-results/1.txt`]: 'no line',
      [`${id}/empty.txt`]: '',
    };
    for (const [path, text] of Object.entries(beside)) {
      mkdirSync(dirname(join(dirname(one.file), path)), { recursive: true });
      writeFileSync(join(dirname(one.file), path), text);
    }
    const copy = join('file-history', id, 'abc@v1');
    mkdirSync(dirname(join(one.folder, copy)), { recursive: true });
    writeFileSync(join(one.folder, copy), Buffer.from([0, 255, 10, 0]));
    await one.mirror.open(session).end();
    const two = node();
    await two.mirror.ready(id);
    const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    expect(digest(two.file)).toBe(digest(one.file));
    for (const [path, text] of Object.entries(beside))
      expect(readFileSync(join(dirname(two.file), path), 'utf8')).toBe(text);
    expect(digest(join(two.folder, copy))).toBe(digest(join(one.folder, copy)));
    expect(readdirSync(dirname(two.file)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('a longer copy of the same stays, and any other is replaced', async () => {
    const one = node();
    writeFileSync(one.file, '{"a":1}\n');
    await one.mirror.open(session).end();
    for (const [text, expected] of [
      ['{"a":1}\n{"mine":2}\n', '{"a":1}\n{"mine":2}\n'],
      ['{"a":1', '{"a":1}\n'],
      ['{"other":1}\n{"mine":2}\n', '{"a":1}\n'],
    ] as const) {
      const two = node();
      writeFileSync(two.file, text);
      await two.mirror.ready(id);
      expect(readFileSync(two.file, 'utf8')).toBe(expected);
    }
  });

  test('a transcript that is gone, or was changed by others, is what is stored before the next start', async () => {
    const { mirror, file } = node();
    writeFileSync(file, '{"a":1}\n');
    await mirror.open(session).end();
    const { mtimeMs } = statSync(file);
    await mirror.ready(id);
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    rmSync(file);
    await mirror.ready(id);
    expect(readFileSync(file, 'utf8')).toBe('{"a":1}\n');
  });

  test('a process that has it open is not disturbed', async () => {
    const { mirror, file } = node();
    writeFileSync(file, '{"a":1}\n');
    const process = mirror.open(session);
    await process.turnEnds();
    writeFileSync(file, '{"new":1}\n');
    await mirror.ready(id);
    expect(readFileSync(file, 'utf8')).toBe('{"new":1}\n');
    await process.end();
    expect(main()).toBe('{"new":1}\n');
  });

  test('a node that lost the session stores nothing more of it, also after it has it again', async () => {
    const { mirror, file, own } = node();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n');
    await process.turnEnds();
    own.fence = undefined;
    appendFileSync(file, '{"late":1}\n');
    await process.turnEnds();
    stored.fence = 3;
    own.fence = 3;
    await process.end();
    expect(main()).toBe('{"a":1}\n');
    await expect(mirror.keep(session)).resolves.toBeUndefined();
    own.fence = undefined;
    await expect(mirror.keep(session)).rejects.toMatchObject({ code: 'session_moved' });
  });

  test('what could not be stored is tried again, and until then the session is only here', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const { mirror, file } = node();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n');
    stored.fail(true);
    await process.turnEnds();
    expect(mirror.isKept(id)).toBe(false);
    expect(mirror.isKept('another')).toBe(true);
    await process.turnEnds();
    expect(errors).toHaveLength(1);
    stored.fail(false);
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(5_000);
      expect(mirror.isKept(id)).toBe(true);
    });
    expect(main()).toBe('{"a":1}\n');
  });

  test('the end of a turn waits for a store that does not answer, but not for long', async () => {
    const { mirror, file } = node();
    const { keep } = stored.store;
    const answer = Promise.withResolvers<void>();
    stored.store.keep = async (...given) => {
      await answer.promise;
      return keep(...given);
    };
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n');
    const start = performance.now();
    await process.turnEnds();
    expect(performance.now() - start).toBeGreaterThan(1_900);
    expect(main()).toBeUndefined();
    answer.resolve();
    await process.end();
    expect(main()).toBe('{"a":1}\n');
  });

  test('during a long turn what is new is stored every 15 s', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { mirror, file } = node();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n');
    vi.advanceTimersByTime(14_000);
    process.wrote();
    expect(main()).toBeUndefined();
    vi.advanceTimersByTime(2_000);
    process.wrote();
    await vi.waitFor(() => expect(main()).toBe('{"a":1}\n'));
    await process.end();
  });

  test('each conversation that a process has been in is stored', async () => {
    const { mirror, file } = node();
    const next = randomUUID();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n');
    process.moved(next);
    writeFileSync(join(dirname(file), `${next}.jsonl`), '{"b":2}\n');
    await process.turnEnds();
    expect(main()).toBe('{"a":1}\n');
    expect(contentOf(`${next}.jsonl`)).toBe('{"b":2}\n');
    await process.end();
  });

  test('a stored path that leads out of the folder is refused', async () => {
    const content = Buffer.from('x');
    const tail = createHash('sha256').update(content).digest('hex');
    for (const path of ['../outside', '/outside', `${id}/../../../outside`]) {
      stored.files.set(path, { path, version: 0, size: 1, tail, content });
      const { mirror, folder } = node();
      await expect(mirror.ready(id)).rejects.toThrow(/leads elsewhere/);
      expect(existsSync(join(folder, '..', 'outside'))).toBe(false);
      stored.files.delete(path);
    }
  });

  test('a damaged file is left out, and the log of the server says so', async () => {
    const content = Buffer.from('{"a":1}\n');
    const path = `${id}.jsonl`;
    stored.files.set(path, { path, version: 0, size: 8, tail: 'other', content });
    const { mirror, file } = node();
    await mirror.ready(id);
    expect(existsSync(file)).toBe(false);
    expect(errors).toMatchObject([{ message: expect.stringContaining(path) }]);
    // What the agent writes then takes its place.
    writeFileSync(file, '{"b":1}\n');
    await mirror.open(session).end();
    expect(main()).toBe('{"b":1}\n');
  });

  test('a file that another node is just writing is read again', async () => {
    const one = node();
    writeFileSync(one.file, '{"a":1}\n');
    await one.mirror.open(session).end();
    const whole = stored.files.get(`${id}.jsonl`);
    const { read } = stored.store;
    stored.store.read = async function* () {
      yield Buffer.from('{"half');
      stored.store.read = read;
    };
    const two = node();
    await two.mirror.ready(id);
    expect(readFileSync(two.file)).toEqual(whole?.content);
    expect(errors).toEqual([]);
  });

  test('a file that is too large is not stored, and is named once', async () => {
    const { mirror, file } = node();
    const process = mirror.open(session);
    const large = join(dirname(file), id, 'large.txt');
    mkdirSync(dirname(large));
    writeFileSync(file, '{"a":1}\n');
    writeFileSync(large, '');
    truncateSync(large, 256 * 1024 * 1024 + 1);
    await process.turnEnds();
    await process.end();
    expect([...stored.files.keys()]).toEqual([`${id}.jsonl`]);
    expect(errors).toMatchObject([{ message: expect.stringContaining('large.txt') }]);
  });

  test('a transcript that goes on in another folder is followed there', async () => {
    const { mirror, folder, file } = node();
    const process = mirror.open(session);
    writeFileSync(file, '{"a":1}\n');
    await process.turnEnds();
    const other = join(folder, 'projects', '-elsewhere', `${id}.jsonl`);
    mkdirSync(dirname(other));
    writeFileSync(other, '{"a":1}\n{"b":2}\n');
    await process.turnEnds();
    expect(main()).toBe('{"a":1}\n{"b":2}\n');
    appendFileSync(other, '{"c":3}\n');
    await process.end();
    expect(main()).toBe('{"a":1}\n{"b":2}\n{"c":3}\n');
  });
});
