/** Fills a home with sessions that have been used, straight through the store, and a folder with transcripts. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EventData, EventType, TurnResult } from 'claude-agent-protocol';
import { event } from '../../packages/server/src/events/log.ts';
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts';
import type { Change } from '../../packages/server/src/store/store.ts';
import { samplePermission, sampleSession, sampleTurn } from '../../packages/server/test/support/samples.ts';

const TURNS = 10;
/** Each turn has ten events. */
export const EVENTS_PER_SESSION = TURNS * 10 + 1;
/** Sessions that share a commit. */
const TOGETHER = 50;
/** Every 20th session had background work; every 500th waits for a permission without a process. */
const WITH_TASKS = 20;
const PARKED = 500;

/** Always the same numbers, so that two runs fill the same. */
function createWords(): (count: number) => string {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 8;
  };
  const syllables = ['ka', 'ro', 'mi', 'ten', 'sol', 'ver', 'lin', 'dor', 'pa', 'shu', 'be', 'gan'];
  const word = (): string =>
    Array.from({ length: 2 + (next() % 3) }, () => syllables[next() % syllables.length]).join('');
  const vocabulary = Array.from({ length: 3_000 }, word);
  return (count) => Array.from({ length: count }, () => vocabulary[next() % vocabulary.length]).join(' ');
}

/** One session as it is after some turns. */
function sessionChanges(n: number, cwd: string, words: (count: number) => string): Change[] {
  const id = randomUUID();
  const start = Date.UTC(2026, 0, 1) + n * 60_000;
  let ticks = 0;
  const now = (): string => new Date(start + ++ticks * 1_000).toISOString();
  const isParked = n % PARKED === PARKED - 1;
  const session = sampleSession({
    id,
    createdAt: now(),
    lastActivity: new Date(start + 3_600_000).toISOString(),
    title: n % 3 === 0 ? words(4) : null,
    metadata: { n },
    cwd,
    transcriptSeen: 0,
  });
  const changes: Change[] = [{ kind: 'insert-session', session }];
  let turnId: string | null = null;
  const tell = <T extends EventType>(type: T, data: EventData<T>): void =>
    void changes.push(event(id, type, data, turnId, now()));
  const state = (shown: 'running' | 'idle' | 'waiting'): void =>
    tell('session.state', { state: shown, model: 'demo', permission_mode: 'default', title: null, cwd });
  const say = (type: 'assistant' | 'user', text: string): void =>
    tell('agent.message', {
      type,
      uuid: randomUUID(),
      session_id: id,
      parent_tool_use_id: null,
      message: { id: `msg_${randomUUID()}`, role: type, content: [{ type: 'text', text }] },
    });
  tell('session.created', {
    cwd,
    model: 'demo',
    permission_mode: 'default',
    title: session.title,
    forked_from: null,
  });
  for (let t = 0; t < TURNS; t++) {
    turnId = randomUUID();
    const input = words(25);
    const usage = { input_tokens: 2_000, output_tokens: 300 };
    const parks = isParked && t === TURNS - 1;
    const result: TurnResult = {
      session_id: id,
      turn_id: turnId,
      messages: [{ type: 'text', content: words(60) }],
      is_error: false,
      error: null,
      stop_reason: 'end_turn',
      cost_usd: 0.01,
      num_turns: 2,
      usage,
      duration_ms: 2_000,
    };
    const turn = sampleTurn(id, {
      id: turnId,
      state: parks ? 'running' : 'completed',
      input,
      createdAt: now(),
      startedAt: now(),
      endedAt: parks ? null : now(),
      result: parks ? null : result,
    });
    changes.push({ kind: 'insert-turn', turn });
    tell('turn.queued', { message: input });
    tell('turn.started', {});
    state('running');
    tell('agent.message', { type: 'system', subtype: 'init', session_id: id, tools: [words(100)] });
    say('assistant', words(60));
    say('user', words(60));
    if (parks) {
      changes.push(parkedRequest(id, turnId, now()));
      tell('turn.parked', { request_id: `request-${turnId}`, cost_usd: 0 });
      state('waiting');
      break;
    }
    say('assistant', words(60));
    tell('agent.message', { type: 'result', subtype: 'success', session_id: id, usage, result: words(60) });
    tell('turn.completed', { result });
    state('idle');
    const spent = { model: 'demo', inputTokens: 2_000, outputTokens: 300, costUsd: 0.01 };
    changes.push({
      kind: 'add-usage',
      sessionId: id,
      usage: { ...spent, cacheReadInputTokens: 0, cacheCreationInputTokens: 0 },
    });
  }
  if (n % WITH_TASKS === 0) tell('session.tasks', { tasks: [] });
  return changes;
}

function parkedRequest(sessionId: string, turnId: string, requestedAt: string): Change {
  const set = { turnId, toolUseId: `toolu_${turnId}`, toolInput: { command: 'true' }, durable: true };
  return {
    kind: 'insert-permission',
    permission: samplePermission(sessionId, { ...set, id: `request-${turnId}`, requestedAt }),
  };
}

/** @returns how long that took, in seconds */
export async function fillStore(home: string, sessions: number, cwd: string): Promise<number> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const begin = performance.now();
  const store = openSqliteStore(join(home, 'server.db'));
  const words = createWords();
  for (let n = 0; n < sessions; n += TOGETHER) {
    const count = Math.min(TOGETHER, sessions - n);
    const written = await Promise.all(
      Array.from({ length: count }, (_, k) => store.write(sessionChanges(n + k, cwd, words))),
    );
    if (written.some(({ ok }) => !ok)) throw new Error('the store refused a session');
  }
  await store.close();
  return (performance.now() - begin) / 1000;
}

/** Transcripts as Claude Code writes them: 120 KB for two short turns, most of it what it sent. */
export function fillTranscripts(projects: string, count: number, cwd: string, kilobytes = 120): void {
  const filler = JSON.stringify({ type: 'api-request-blob', text: 'x'.repeat(kilobytes * 1024) });
  for (let n = 0; n < count; n++) {
    const folder = join(projects, `-work-${n % 50}`);
    mkdirSync(folder, { recursive: true });
    const prompt = { type: 'user', message: { content: `prompt ${n}` }, cwd: join(cwd, String(n % 50)) };
    writeFileSync(join(folder, `${randomUUID()}.jsonl`), `${JSON.stringify(prompt)}\n${filler}\n`);
  }
}
