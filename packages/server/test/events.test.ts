import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionEvent, Turn } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstFrame, framesUntil, type SseFrame, script, sseFrames } from './support/api.ts';
import { createLiveCheck } from './support/live-check.ts';
import { createRandom } from './support/random.ts';
import { chaos, rounds } from './support/rounds.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
/** For tests that leave a session as they found it, but for its history. */
let shared: { session_id: string };
const random = createRandom();
beforeAll(async () => {
  server = await startTestServer();
  shared = await server.createSession();
  writeFileSync(join(server.root, 'note.txt'), 'a note\n');
});
afterAll(() => cleanUp(server));

interface Page {
  events: (SessionEvent & { seq: number })[];
  next_after: number;
  has_more: boolean;
}
const page = async (path: string): Promise<Page> =>
  (await server.call<Page>('GET', path, undefined, { headers: { accept: 'application/json' } })).body;

/** All durable events of a session, page by page. */
async function allEvents(sessionId: string): Promise<Page['events']> {
  const events: Page['events'] = [];
  for (let after = 0, more = true; more; ) {
    const next = await page(`/sessions/${sessionId}/events?after=${after}&limit=7`);
    events.push(...next.events);
    ({ next_after: after, has_more: more } = next);
  }
  return events;
}

/** Sends a message without waiting for its answer. */
async function start(sessionId: string, message: string): Promise<string> {
  const headers = { prefer: 'respond-async' };
  const { body } = await server.call<{ turn_id: string }>(
    'POST',
    `/sessions/${sessionId}/messages`,
    { message },
    { headers },
  );
  return body.turn_id;
}

const ended =
  (turnId: string) =>
  ({ event, data }: SseFrame): boolean =>
    /^turn\.(completed|failed|interrupted)$/.test(event) && data.turn_id === turnId;
const wordOf = ({ data }: SseFrame): string | undefined => data.data?.event?.delta?.text;
const seqs = (frames: SseFrame[]): number[] =>
  frames.flatMap(({ id }) => (id === undefined ? [] : [Number(id)]));

/** All frames up to and including the first that fits; the stream stays open for more. */
async function takeUntil(
  stream: AsyncGenerator<SseFrame>,
  fits: (frame: SseFrame) => boolean,
): Promise<SseFrame[]> {
  const frames: SseFrame[] = [];
  for (;;) {
    const { value, done } = await stream.next();
    if (done) throw new Error('the stream ended before the frame that the test waits for');
    frames.push(value);
    if (fits(value)) return frames;
  }
}

/**
 * Reads a stream until it is cut after some milliseconds, like a connection that breaks: at any byte, and
 * with what was on its way lost. With `causeDelta`, a delta is caused once the stream is open, and the milliseconds
 * count from its arrival: on a busy machine nothing live would arrive in so short a time.
 */
async function readAndCut(
  path: string,
  lastId: number,
  milliseconds: number,
  causeDelta?: () => void,
): Promise<SseFrame[]> {
  const controller = new AbortController();
  let cut: NodeJS.Timeout | undefined;
  const cutSoon = (): void => {
    cut ??= setTimeout(() => controller.abort(), milliseconds);
  };
  if (!causeDelta) cutSoon();
  const received: Uint8Array[] = [];
  try {
    const response = await fetch(server.url + path, {
      headers: { accept: 'text/event-stream', 'last-event-id': String(lastId) },
      signal: controller.signal,
    });
    causeDelta?.();
    for await (const chunk of response.body ?? []) {
      received.push(chunk);
      if (Buffer.from(chunk).includes('event: agent.delta')) cutSoon();
    }
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  } finally {
    clearTimeout(cut);
  }
  const bytes = Buffer.concat(received);
  const arrived = random.below(3) === 0 ? random.below(bytes.length + 1) : bytes.length;
  const frames: SseFrame[] = [];
  const body = new Response(new Uint8Array(bytes.subarray(0, arrived))).body;
  if (body) for await (const frame of sseFrames(body)) frames.push(frame);
  return frames;
}

const CUTS = rounds({ quick: 60, long: 200 });
const ANSWERS = CUTS / 20;
/** Every tenth word waits for the test; the last ten wait until it is done with cutting. */
const GATES = 12 * ANSWERS - 10;

test(
  `a subscriber cut off at ${CUTS} random points of a long turn sees every durable event exactly once`,
  chaos(60),
  async () => {
    const { session_id } = await server.createSession();
    const path = `/sessions/${session_id}/events`;
    const file = join(server.root, 'note.txt');
    const read = { name: 'Read', input: { file_path: file } };
    // Answers with 120 words and three tool calls each.
    const say = (n: number) =>
      Array.from({ length: 12 }, (_, m) => `{{hold:go}} ${'word '.repeat(9)}end-${n}-${m} `).join('');
    const steps = Array.from({ length: ANSWERS }, (_, n) => ({ say: say(n), tools: [read, read, read] }));
    const turnId = await start(session_id, script(...steps, { say: 'done' }));

    const seen: number[] = [];
    const words: string[] = [];
    const problems: string[] = [];
    let live = 0;
    const connect = async (milliseconds: number, causeDelta?: () => void): Promise<void> => {
      const frames = await readAndCut(path, seen.at(-1) ?? 0, milliseconds, causeDelta);
      const check = createLiveCheck(problems);
      for (const frame of frames) check(frame);
      seen.push(...seqs(frames));
      words.push(...frames.flatMap((frame) => wordOf(frame)?.match(/end-\S+/) ?? []));
      live += frames.filter((frame) => frame.id === undefined).length;
    };
    const { gates } = server.demo.model;
    for (let cuts = 0; cuts < CUTS; cuts++) {
      // The gates open evenly: the turn goes on during all of the cuts.
      const opensGate = Math.floor(((cuts + 1) * GATES) / CUTS) > Math.floor((cuts * GATES) / CUTS);
      await connect(random.below(16), opensGate ? () => gates.release('go') : undefined);
    }
    const during = await server.call<Turn>('GET', `/sessions/${session_id}/turns/${turnId}`);
    gates.release('go', 10);
    const rest = server.stream(path, { headers: { 'last-event-id': String(seen.at(-1) ?? 0) } });
    seen.push(...seqs(await framesUntil(rest, ended(turnId))));

    expect(during.body.state, `seed ${random.seed}`).toBe('running');
    expect(problems, `seed ${random.seed}`).toEqual([]);
    const events = await allEvents(session_id);
    const through = events.findIndex((event) => event.type === 'turn.completed') + 1;
    expect(through).toBeGreaterThan(7 * ANSWERS);
    expect(seen, `seed ${random.seed}`).toEqual(Array.from({ length: through }, (_, n) => n + 1));
    // What is live is shown when it happens and never again; a third of the readers lose some of it with their connection.
    expect(live).toBeGreaterThan(ANSWERS);
    expect(new Set(words).size, `seed ${random.seed}`).toBe(words.length);
  },
);

test('a subscriber that joins in the middle of a block gets one partial frame, and so the whole block; others get none', async () => {
  const { session_id } = shared;
  const path = `/sessions/${session_id}/events`;
  const turnId = await start(
    session_id,
    script({ thinking: 'hm', say: 'one two {{hold:middle}}three four {{hold:end}}five' }),
  );
  const first = server.stream(path);
  const before = await takeUntil(first, (frame) => wordOf(frame)?.includes('two') ?? false);
  expect(before.filter((frame) => frame.event === 'agent.partial')).toEqual([]);

  const second = server.stream(path);
  const joining = await takeUntil(second, (frame) => frame.event === 'agent.partial');
  expect(seqs(joining)).toEqual(seqs(before));
  expect(joining.at(-1)?.data).toMatchObject({
    session_id,
    turn_id: turnId,
    data: { blocks: [{ type: 'text', text: 'one two ', parent_tool_use_id: null }] },
  });
  server.demo.model.gates.release('middle');
  await takeUntil(first, (frame) => wordOf(frame)?.includes('four') ?? false);
  const third = server.stream(path, { headers: { 'last-event-id': String(seqs(before).at(-1)) } });
  const { value: partial } = await third.next();
  expect(partial).toMatchObject({
    event: 'agent.partial',
    data: { data: { blocks: [{ text: 'one two three four ' }] } },
  });

  server.demo.model.gates.release('end');
  const [restOfSecond, restOfThird] = await Promise.all([
    framesUntil(second, ended(turnId)),
    framesUntil(third, ended(turnId)),
  ]);
  const text = (frames: SseFrame[]) => frames.map((frame) => wordOf(frame) ?? '').join('');
  expect(text(restOfSecond)).toBe('three four five');
  expect(text(restOfThird)).toBe('five');
  expect(seqs(restOfSecond)).toEqual(seqs(restOfThird));
  for (const frames of [restOfSecond, restOfThird]) {
    expect(frames.filter((frame) => frame.event === 'agent.partial')).toEqual([]);
  }
});

test('nothing is shown before it is committed, and the stream of a turn ends with the turn', async () => {
  const { session_id } = shared;
  const stream = server.stream(`/sessions/${session_id}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      message: script(
        { say: 'one two', tools: [{ name: 'Bash', input: { command: 'ls' } }] },
        { say: 'end' },
      ),
    }),
  });
  const problems: string[] = [];
  const check = createLiveCheck(problems);
  const types: string[] = [];
  for await (const frame of stream) {
    check(frame);
    if (frame.id === undefined) continue;
    types.push(frame.event);
    const { events } = await page(`/sessions/${session_id}/events?after=${Number(frame.id) - 1}&limit=1`);
    expect(events).toEqual([frame.data]);
    if (frame.event !== 'turn.completed') continue;
    const { body } = await server.call<Turn>('GET', `/sessions/${session_id}/turns/${frame.data.turn_id}`);
    expect(body.state).toBe('completed');
    expect(body.result).toEqual(frame.data.data.result);
  }
  expect(problems).toEqual([]);
  expect(types[0]).toBe('turn.queued');
  expect(types[1]).toBe('turn.started');
  expect(types.at(-1)).toBe('turn.completed');
});

test('a client that disconnects changes nothing: no blocking call, no stream, no later answer', async () => {
  const { session_id } = await server.createSession();
  const gone = async (name: string, accept: string): Promise<string> => {
    const controller = new AbortController();
    const message = script({ say: `answer {{hold:${name}}}${name}` });
    const call = fetch(`${server.url}/sessions/${session_id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ message }),
      signal: controller.signal,
    });
    await server.demo.model.gates.reached(name);
    const response = accept === 'text/event-stream' ? await call : undefined;
    controller.abort();
    await (response ? response.text() : call).then(
      () => Promise.reject(new Error('the call was to be cut off')),
      () => {},
    );
    const next = server.send(session_id, script({ say: `after ${name}` }));
    server.demo.model.gates.release(name);
    const { messages } = await next;
    return messages.map((item) => (item.type === 'text' ? item.content : item.type)).join();
  };
  expect(await gone('blocking', 'application/json')).toBe('after blocking');
  expect(await gone('streaming', 'text/event-stream')).toBe('after streaming');

  const { body } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${session_id}/turns`);
  expect(body.turns.map(({ state, result }) => [state, result?.messages])).toEqual(
    ['answer blocking', 'after blocking', 'answer streaming', 'after streaming'].map((content) => [
      'completed',
      [{ type: 'text', content }],
    ]),
  );
});

test('the global stream shows the control events of all sessions once and in order to a subscriber that is cut off repeatedly', async () => {
  const { body: start } = await server.call<Page>('GET', '/events?limit=1', undefined, {
    headers: { accept: 'application/json' },
  });
  expect(start.events).toHaveLength(1);
  const marker = await server.createSession();
  const hello = await firstFrame(
    server.stream('/events', { headers: { 'last-event-id': '0' } }),
    (frame) => frame.data.session_id === marker.session_id,
  );
  const from = Number(hello.id);

  const sessions = await Promise.all([server.createSession(), server.createSession()]);
  const ids = [marker, ...sessions].map((session) => session.session_id);
  let working = true;
  const work = Promise.all(
    ids.flatMap((id) =>
      [0, 1, 2].map((n) => server.send(id, script({ word_delay_ms: 5, say: 'w '.repeat(30), delay_ms: n }))),
    ),
  ).finally(() => {
    working = false;
  });
  const seen: { id: number; session: string; seq: number; type: string }[] = [];
  let cuts = 0;
  for (; working || cuts < 20; cuts++) {
    const frames = await readAndCut('/events', seen.at(-1)?.id ?? from, random.below(30));
    for (const { id, event, data } of frames) {
      seen.push({ id: Number(id), session: data.session_id, seq: data.seq, type: event });
    }
  }
  await work;
  const last = await page(`/events?after=${seen.at(-1)?.id ?? from}&limit=1000`);
  const cursors = seen.map((each) => each.id);
  expect(cursors, `seed ${random.seed}`).toEqual([...new Set(cursors)].toSorted((a, b) => a - b));
  for (const id of ids) {
    const expected = (await allEvents(id))
      .filter((event) => event.type !== 'agent.message')
      .map((event) => event.seq)
      // The stream was joined after the first session's first event.
      .slice(id === marker.session_id ? 1 : 0);
    const mine = [
      ...seen.filter((each) => each.session === id).map((each) => each.seq),
      ...last.events.filter((event) => event.session_id === id).map((event) => event.seq),
    ];
    expect(mine, `seed ${random.seed}`).toEqual(expected);
  }
  expect(seen.map((each) => each.type)).not.toContain('agent.message');
});

test('an impossible Last-Event-ID does not hide new events', async () => {
  const { session_id } = shared;
  const beyond = await fetch(`${server.url}/sessions/${session_id}/events`, {
    headers: { accept: 'text/event-stream', 'last-event-id': '999999' },
  });
  const nonsense = server.stream(`/sessions/${session_id}/events`, { headers: { 'last-event-id': 'x;1' } });
  const everything = await firstFrame(nonsense, () => true);
  expect(everything.data).toMatchObject({ seq: 1, type: 'session.created' });
  await server.call('PATCH', `/sessions/${session_id}`, { title: 'new' });
  if (!beyond.body) throw new Error('no body');
  const frame = await firstFrame(sseFrames(beyond.body), (each) => each.data.data?.title === 'new');
  expect(frame.event).toBe('session.state');
});
