import type { SessionEvent, StreamFrame } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import type { Item } from './items.ts';
import { reduce } from './reduce.ts';
import { emptyView, type ViewState } from './state.ts';

const SESSION = '7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e';
const TURN = '2c1f7f0a-0b5b-4dd9-8a63-0f6a0b1ad111';

let seq = 0;
const event = (type: string, data: object, turn: string | null = TURN): SessionEvent => {
  seq += 1;
  return { seq, at: '2026-01-01T00:00:00Z', session_id: SESSION, turn_id: turn, type, data } as SessionEvent;
};
const message = (data: object): SessionEvent => event('agent.message', data);
const delta = (data: object, parent: string | null = null): StreamFrame => ({
  type: 'agent.delta',
  session_id: SESSION,
  turn_id: TURN,
  data: { type: 'stream_event', parent_tool_use_id: parent, event: data },
});
const assistant = (block: object, id = 'm1', parent: string | null = null): SessionEvent =>
  message({ type: 'assistant', parent_tool_use_id: parent, message: { id, content: [block] } });
const toolResult = (id: string, content: string): SessionEvent =>
  message({
    type: 'user',
    parent_tool_use_id: null,
    message: { content: [{ type: 'tool_result', tool_use_id: id, content }] },
  });
const started = (): SessionEvent[] => [event('turn.queued', { message: 'Hi' }), event('turn.started', {})];
const result = { messages: [], is_error: false, cost_usd: 0.5, duration_ms: 10, usage: null };
const textBlock = (...chunks: string[]): StreamFrame[] => [
  delta({ type: 'message_start', message: { id: 'm1' } }),
  delta({ type: 'content_block_start', index: 0, content_block: { type: 'text' } }),
  ...chunks.map((text) =>
    delta({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  ),
];

function play(
  frames: readonly StreamFrame[],
  from: ViewState = emptyView,
): { view: ViewState; items: Item[] } {
  let view = from;
  const items: Item[] = [];
  for (const frame of frames) {
    const reduced = reduce(view, frame);
    view = reduced.view;
    items.push(...reduced.items);
  }
  return { view, items };
}

const texts = (items: readonly Item[]): string =>
  items.flatMap((item) => (item.kind === 'text' ? [item.text] : [])).join('');

describe('a streamed answer', () => {
  const answer = 'First.\n\nSecond, which is longer.';

  test('is shown block by block, the rest when it is complete, and nothing twice', () => {
    const frames = [
      ...started(),
      ...textBlock('Fir', 'st.\n\nSec', 'ond, which'),
      assistant({ type: 'text', text: answer }),
    ];
    const { view, items } = play(frames);
    expect(texts(items)).toBe(answer);
    expect(items.filter((item) => item.kind === 'text').map((item) => item.first)).toEqual([true, false]);
    expect(view.blocks).toEqual([]);
  });

  test('is the same without any delta, for a reader who comes late', () => {
    expect(texts(play([...started(), assistant({ type: 'text', text: answer })]).items)).toBe(answer);
  });

  test('goes on after a reconnect from the partial frame', () => {
    const partial: StreamFrame = {
      type: 'agent.partial',
      session_id: SESSION,
      turn_id: TURN,
      data: {
        blocks: [
          {
            parent_tool_use_id: null,
            message_id: 'm1',
            index: 0,
            type: 'text',
            text: 'First.\n\nSecond, wh',
          },
        ],
      },
    };
    const more = delta({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'ich is longer.' },
    });
    const { view, items } = play([...started(), ...textBlock('First.\n\nSe'), partial, more]);
    expect(view.blocks[0]?.text).toBe(answer);
    const rest = play([assistant({ type: 'text', text: answer })], view);
    expect(texts([...items, ...rest.items])).toBe(answer);
  });

  test('stays when an interrupt cuts it off', () => {
    const { view, items } = play([
      ...started(),
      ...textBlock('Half a sent'),
      event('turn.interrupted', { result, reason: 'interrupted' }),
    ]);
    expect(texts(items)).toBe('Half a sent');
    expect(items.at(-1)).toMatchObject({ kind: 'end', outcome: 'interrupted' });
    expect(view.turn).toBeUndefined();
  });

  test("a subagent's words are not shown", () => {
    const { items, view } = play([
      ...started(),
      delta({ type: 'content_block_start', index: 0, content_block: { type: 'text' } }, 'tool1'),
      assistant({ type: 'text', text: 'hidden' }, 'm9', 'tool1'),
    ]);
    expect(texts(items)).toBe('');
    expect(view.blocks).toEqual([]);
  });
});

test('an event that was seen before changes nothing', () => {
  const frames = [...started(), assistant({ type: 'text', text: 'Once.' })];
  const once = play(frames);
  const again = play(frames, once.view);
  expect(again.items).toEqual([]);
  expect(again.view).toEqual(once.view);
});

describe('tool calls', () => {
  const call = (id: string): SessionEvent =>
    assistant({ type: 'tool_use', id, name: 'Bash', input: { command: id } });

  test('are shown in the order of the calls, whatever the order of their results', () => {
    const { view, items } = play([...started(), call('a'), call('b'), toolResult('b', 'B')]);
    expect(items.filter((item) => item.kind === 'tool')).toEqual([]);
    expect(view.tools.map(({ id }) => id)).toEqual(['a', 'b']);
    const rest = play([toolResult('a', 'A')], view);
    expect(rest.items).toMatchObject([{ call: { id: 'a' } }, { call: { id: 'b', result: { text: 'B' } } }]);
    expect(rest.view.tools).toEqual([]);
  });

  test("of a subagent are its call's progress", () => {
    const { view, items } = play([
      ...started(),
      assistant({ type: 'tool_use', id: 'task', name: 'Task', input: {} }),
      assistant({ type: 'tool_use', id: 'x', name: 'Read', input: { file_path: 'f' } }, 'm2', 'task'),
      assistant({ type: 'tool_use', id: 'y', name: 'Bash', input: {} }, 'm2', 'task'),
    ]);
    expect(items.filter((item) => item.kind === 'tool')).toEqual([]);
    expect(view.tools).toMatchObject([{ id: 'task', steps: 2, lastStep: { name: 'Bash' } }]);
  });

  test('without a result are shown when the turn ends', () => {
    const { items } = play([...started(), call('a'), event('turn.completed', { result })]);
    expect(items.map(({ kind }) => kind)).toEqual(['user', 'tool', 'end']);
  });
});

test('an event or a state of a newer server changes nothing that is known', () => {
  const { view, items } = play([
    ...started(),
    event('session.weather', { rain: true }),
    event('session.state', { state: 'dreaming', model: 'm', permission_mode: 'default', title: null }),
    ...textBlock('Hello'),
  ]);
  expect(view).toMatchObject({ lastSeq: seq, state: 'dreaming', model: 'm', turn: { id: TURN } });
  expect(items).toHaveLength(1);
});

test('a delta that comes after the end of its turn writes nothing into the next one', () => {
  const { view } = play([
    ...started(),
    assistant({ type: 'text', text: 'Hello' }),
    event('turn.completed', { result }),
    ...textBlock('Hello'),
    event('turn.queued', { message: 'Next' }, 'another turn'),
    event('turn.started', {}, 'another turn'),
  ]);
  expect(view).toMatchObject({ blocks: [], turn: { id: 'another turn' } });
});

describe('turns', () => {
  test('a queued message waits, and is said when its turn starts', () => {
    const { view, items } = play([...started(), event('turn.queued', { message: 'Next' }, SESSION)]);
    expect(view.queued).toEqual([{ turnId: SESSION, message: 'Next' }]);
    expect(items).toEqual([{ kind: 'user', message: 'Hi' }]);
    const next = play([event('turn.completed', { result }), event('turn.started', {}, SESSION)], view);
    expect(next.items.at(-1)).toEqual({ kind: 'user', message: 'Next' });
    expect(next.view.queued).toEqual([]);
    expect(next.view.costUsd).toBe(0.5);
  });

  test('one that is interrupted before it starts leaves the running one alone', () => {
    const { view } = play([
      ...started(),
      event('turn.queued', { message: 'Next' }, SESSION),
      event('turn.interrupted', { result, reason: 'session_closed' }, SESSION),
    ]);
    expect(view.turn?.id).toBe(TURN);
    expect(view.queued).toEqual([]);
  });

  test('count the tokens that the model reports', () => {
    const { view } = play([
      ...started(),
      delta({
        type: 'message_start',
        message: { id: 'm1', usage: { input_tokens: 10, cache_read_input_tokens: 5 } },
      }),
      delta({ type: 'message_delta', usage: { output_tokens: 7 } }),
      delta({ type: 'message_delta', usage: { output_tokens: 3 } }),
    ]);
    expect(view.turn).toMatchObject({ inputTokens: 15, outputTokens: 10 });
  });
});

test('permissions are open until they are settled', () => {
  const request = { request_id: 'r1', tool_name: 'Bash', tool_input: {}, suggestions: [] };
  const { view } = play([...started(), event('permission.requested', request)]);
  expect(view.permissions).toHaveLength(1);
  const settled = event('permission.resolved', {
    request_id: 'r1',
    state: 'denied',
    reason: 'timeout',
    message: null,
  });
  const after = play([settled], view);
  expect(after.view.permissions).toEqual([]);
  expect(after.items).toMatchObject([{ kind: 'settled', reason: 'timeout' }]);
});

test('messages that are not as expected do no harm', () => {
  const strange = [
    message({ type: 'assistant' }),
    message({ type: 'assistant', message: { content: 'text' } }),
    message({ type: 'user', message: null }),
    message({ type: 'system', subtype: 'init', mcp_servers: 'none', slash_commands: [1] }),
    message({ type: 'unheard_of' }),
    delta({ type: 'content_block_delta', index: 9, delta: null }),
    { ...delta({}), data: { type: 'stream_event' } } as StreamFrame,
  ];
  expect(() => play([...started(), ...strange])).not.toThrow();
});

test('a turn that waits for a process has a place in line until it gets one', () => {
  const { view } = play([...started(), event('turn.waiting', { position: 3 })]);
  expect(view.turn?.position).toBe(3);
  expect(play([event('turn.waiting', { position: 1 }, SESSION)], view).view.turn?.position).toBe(3);
  expect(play([event('turn.waiting', { position: 0 })], view).view.turn?.position).toBe(0);
});

test('a turn that is parked, and one that goes on, say so in the scrollback', () => {
  const { items } = play([
    ...started(),
    event('turn.parked', { request_id: 'r', cost_usd: 0 }),
    event('turn.resumed', { request_id: 'r' }),
  ]);
  expect(items.filter(({ kind }) => kind === 'notice')).toHaveLength(2);
});
