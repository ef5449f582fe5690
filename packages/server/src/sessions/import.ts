import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExportLine, Output, SessionOptions } from 'claude-agent-protocol';
import type { Agent } from '../agent/agent.ts';
import type { Ownership } from '../cluster/ownership.ts';
import { AppError, problem, storageFailed } from '../errors.ts';
import type { Change, ImportedRows, Owned, SessionRecord, Store, UsageRow } from '../store/store.ts';
import type { Eraser } from './erase.ts';
import type { Folders } from './folders.ts';
import { invalid, type Line, readLine, sessionOf, turnOf } from './import-lines.ts';
import type { Policy } from './policy.ts';
import { STEP_BYTES } from './steps.ts';

/** Rows that are written together. */
const STEP_ROWS = 100;

export interface ImportDeps {
  store: Store;
  ownership: Ownership;
  agent: Agent;
  folders: Folders;
  policy: Policy;
  /** Where the files of a session are until all of it is here. */
  importFolder: string;
  onError(error: unknown, what: string): void;
}

/** An import whose first line is read and allowed. */
export interface Arriving {
  id: string;
  /** Takes the rest over: all of it, or nothing. @throws AppError 400, 409, 422, 503 */
  take(): Promise<Output<'importSession'>>;
}

/**
 * Takes over sessions of other servers, line by line, in small transactions: memory holds one of them, however long the
 * session. Nobody finds the session before the last one, and of a session that does not come whole nothing is kept.
 */
export function createImporter(deps: ImportDeps, eraser: Pick<Eraser, 'drop' | 'isHidden'>) {
  const { ownership, agent, folders, policy, importFolder, onError } = deps;

  const takeIn = async (session: SessionRecord, lines: AsyncIterator<string>) => {
    const { id } = session;
    const folder = join(importFolder, id);
    let undo: (() => Promise<void>) | undefined;
    try {
      const found = await takeRows(deps, session, lines, folder);
      if (found.files > 0) undo = await agent.addFiles(session.cwd, folder);
      for (const conversationId of found.withFiles) await agent.keep({ sessionId: id, conversationId });
      await ownership.write(id, [{ kind: 'end-import', id, usage: found.usage }]);
      return found;
    } catch (error) {
      // What cannot be removed now is found by nobody, and removed by the next import of it, or the next start.
      const removing = Promise.all([undo?.(), eraser.drop(id)]);
      await removing.catch((failure: unknown) => onError(failure, `remove a part of session ${id}`));
      throw error instanceof AppError ? error : storageFailed(error);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  /** Refused when there is such a session; what an earlier import has left is not one. */
  const begin = async (session: SessionRecord): Promise<void> => {
    const change: Change = { kind: 'begin-import', session };
    const { id } = session;
    if ((await ownership.write(id, [change])).ok) return;
    // Another node may be at it.
    const isLeft = (await eraser.isHidden(id, 'importing')) && (await ownership.acquire(id)).owned;
    if (!isLeft) throw problem('import_taken', { id });
    await eraser.drop(id);
    if (!(await ownership.write(id, [change])).ok) throw problem('import_taken', { id });
  };

  return {
    /**
     * @param cwd the session's folder here, if that has another path
     * @param maker whose it is from now on
     * @param checkOptions throws for options that the caller may not ask for
     * @throws AppError 400 or 422 for a first line that is no session, 403 for one that may not be here
     */
    async open(
      given: AsyncIterable<string>,
      cwd: string | undefined,
      maker: Owned,
      checkOptions: (options: SessionOptions) => void,
    ): Promise<Arriving> {
      const lines = given[Symbol.asyncIterator]();
      const first = await lines.next();
      if (first.done) throw problem('body_missing');
      const head = readLine(first.value, 0);
      if (head.kind !== 'session') throw invalid(0, 'kind', 'the first line must be the session');
      const folder = await folders.check(cwd ?? head.cwd);
      const session = { ...sessionOf(head, maker), cwd: folder };
      checkOptions(session.options);
      await policy.checkStart(session);
      const { id } = session;
      return {
        id,
        async take() {
          await begin(session);
          try {
            const { turns, events } = await takeIn(session, lines);
            return { session_id: id, status: 'closed', cwd: folder, turns, events };
          } finally {
            await ownership.release(id);
          }
        },
      };
    },
    /** Removes the files that a dead server has left. */
    clear: () => rm(importFolder, { recursive: true, force: true }),
  };
}

/** What has come so far. */
interface Found {
  turns: number;
  events: number;
  files: number;
  usage: UsageRow[];
  conversations: Set<string>;
  /** Conversations that have files. */
  withFiles: Set<string>;
  lastSeq: number | undefined;
  /** The file that the last line was a part of. */
  file: { path: string; part: number } | undefined;
}

async function takeRows(
  { store, ownership }: ImportDeps,
  session: SessionRecord,
  lines: AsyncIterator<string>,
  folder: string,
): Promise<Found> {
  const { id: sessionId } = session;
  const found: Found = {
    turns: 0,
    events: 0,
    files: 0,
    usage: [],
    conversations: new Set(),
    withFiles: new Set(),
    lastSeq: undefined,
    file: undefined,
  };
  const none = (): ImportedRows => ({ sessionId, conversations: [], turns: [], events: [] });
  let [rows, count, bytes] = [none(), 0, 0];
  const write = async (n: number): Promise<void> => {
    if (count > 0 && !(await ownership.write(sessionId, [{ kind: 'import-rows', rows }])).ok)
      throw (await repeats(store, rows))
        ? invalid(n, '', REPEATED)
        : problem('import_taken', { id: sessionId });
    [rows, count, bytes] = [none(), 0, 0];
  };
  let n = 1;
  for (let next = await lines.next(); !next.done; next = await lines.next(), n++) {
    const line = readLine(next.value, n);
    if (line.kind === 'file') await addFile(found, line, n, folder);
    else if (addRow(found, rows, line, n)) [count, bytes] = [count + 1, bytes + next.value.length];
    if (count >= STEP_ROWS || bytes >= STEP_BYTES) await write(n);
  }
  await write(n - 1);
  requireWhole(session, found);
  return found;
}

const REPEATED = 'a turn, a conversation or an idempotency key is there twice';

/** Whether refused rows have an id or key twice, or one that an earlier part of the same session has. */
async function repeats(store: Store, { sessionId, turns, conversations }: ImportedRows): Promise<boolean> {
  const ids = turns.map(({ id }) => id);
  const keys = turns.flatMap(({ idempotencyKey: key }) => (key === null ? [] : [key]));
  if (new Set(ids).size < ids.length || new Set(keys).size < keys.length) return true;
  if ((await store.knownTurns(sessionId, ids)).size > 0) return true;
  const known = new Set((await store.conversations(sessionId)).map(({ id }) => id));
  if (conversations.some(({ id }) => known.has(id))) return true;
  for (const key of keys) if (await store.getTurnByKey(sessionId, key)) return true;
  return false;
}

/** Notes a line, and adds its row if it has one. */
function addRow(
  found: Found,
  rows: ImportedRows,
  line: Exclude<ExportLine, Line<'file'>>,
  n: number,
): boolean {
  switch (line.kind) {
    case 'session':
      throw invalid(n, 'kind', 'only the first line is a session');
    case 'conversation': {
      const { conversation_id: id, after_seq: afterSeq, from_disk: fromDisk } = line;
      if (found.conversations.has(id)) throw invalid(n, 'conversation_id', 'is there twice');
      found.conversations.add(id);
      rows.conversations.push({ id, afterSeq, fromDisk });
      return true;
    }
    case 'turn':
      found.turns++;
      rows.turns.push(turnOf(line, rows.sessionId));
      return true;
    case 'event': {
      const { seq, at, turn_id: turnId, type, data } = line;
      const { lastSeq } = found;
      if (lastSeq !== undefined && seq !== lastSeq + 1) throw invalid(n, 'seq', `must be ${lastSeq + 1}`);
      found.events++;
      found.lastSeq = seq;
      rows.events.push({ sessionId: rows.sessionId, seq, at, turnId, type, json: JSON.stringify(data) });
      return true;
    }
    case 'usage':
      found.usage.push({
        model: line.model,
        inputTokens: line.input_tokens,
        outputTokens: line.output_tokens,
        cacheReadInputTokens: line.cache_read_input_tokens,
        cacheCreationInputTokens: line.cache_creation_input_tokens,
        costUsd: line.cost_usd,
      });
      return false;
  }
}

async function addFile(found: Found, line: Line<'file'>, n: number, folder: string): Promise<void> {
  const { conversation_id: id, path, part, text } = line;
  const { file } = found;
  if (part > 0 && (file?.path !== path || file.part !== part - 1))
    throw invalid(n, 'part', `must follow part ${part - 1} of the same file`);
  const place = join(folder, path);
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  try {
    await writeFile(place, text, { flag: part === 0 ? 'wx' : 'a', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw invalid(n, 'path', 'is there twice');
    throw error;
  }
  found.file = { path, part };
  found.withFiles.add(id);
  if (part === 0) found.files++;
}

function requireWhole(session: SessionRecord, { conversations, withFiles, lastSeq }: Found): void {
  if (!conversations.has(session.conversationId))
    throw invalid(0, 'conversation_id', 'has no line of its own');
  if ([...withFiles].some((id) => !conversations.has(id)))
    throw invalid(0, 'conversation_id', 'a file belongs to no conversation of the session');
  if ((lastSeq ?? session.lastSeq) !== session.lastSeq)
    throw invalid(0, 'last_seq', `the events end with ${lastSeq}; is a part missing?`);
}
