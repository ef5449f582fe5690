import { expect, test } from 'vitest';
import { createPartials } from './partials.ts';

const stream = (event: Record<string, unknown>, parent: string | null = null) => ({
  type: 'stream_event',
  parent_tool_use_id: parent,
  event,
});
const start = (id: string, parent: string | null = null) =>
  stream({ type: 'message_start', message: { id } }, parent);
const block = (index: number, content: Record<string, unknown>, parent: string | null = null) =>
  stream({ type: 'content_block_start', index, content_block: content }, parent);
const delta = (index: number, content: Record<string, unknown>, parent: string | null = null) =>
  stream({ type: 'content_block_delta', index, delta: content }, parent);

test('a block holds the text of its deltas: text, thinking and tool input', () => {
  const partials = createPartials();
  const messages = [
    start('m1'),
    block(0, { type: 'thinking', thinking: '' }),
    delta(0, { type: 'thinking_delta', thinking: 'hm' }),
    delta(0, { type: 'signature_delta', signature: 'xyz' }),
    block(1, { type: 'text', text: 'a' }),
    delta(1, { type: 'text_delta', text: 'b' }),
    delta(1, { type: 'text_delta', text: 'c' }),
    block(2, { type: 'tool_use', id: 't1', name: 'Bash', input: {} }),
    delta(2, { type: 'input_json_delta', partial_json: '{"comm' }),
  ];
  for (const message of messages) partials.observe(message);
  const common = { parent_tool_use_id: null, message_id: 'm1' };
  expect(partials.blocks()).toEqual([
    { ...common, index: 0, type: 'thinking', text: 'hm' },
    { ...common, index: 1, type: 'text', text: 'abc' },
    { ...common, index: 2, type: 'tool_use', text: '{"comm', id: 't1', name: 'Bash' },
  ]);
});

test('a block that has stopped is dropped', () => {
  const partials = createPartials();
  for (const message of [start('m'), block(0, { type: 'text', text: 'x' })]) partials.observe(message);
  partials.observe(stream({ type: 'content_block_stop', index: 0 }));
  expect(partials.blocks()).toEqual([]);
});

test('the durable message ends the blocks of its own agent only', () => {
  const partials = createPartials();
  for (const parent of [null, 'task-1', 'task-2']) {
    partials.observe(start(`of ${parent}`, parent));
    partials.observe(block(0, { type: 'text', text: String(parent) }, parent));
  }
  partials.complete('task-1');
  expect(partials.blocks().map(({ text }) => text)).toEqual(['null', 'task-2']);
  partials.complete(null);
  expect(partials.blocks().map(({ text }) => text)).toEqual(['task-2']);
  partials.clear();
  expect(partials.blocks()).toEqual([]);
});

test('a message of several blocks continues after the first of them is durable', () => {
  const partials = createPartials();
  partials.observe(start('m'));
  partials.observe(block(0, { type: 'text', text: 'first' }));
  partials.complete(null);
  partials.observe(stream({ type: 'content_block_stop', index: 0 }));
  partials.observe(block(1, { type: 'text', text: 'second' }));
  expect(partials.blocks()).toMatchObject([{ index: 1, message_id: 'm', text: 'second' }]);
});

test('a new message drops the unfinished blocks of the one before', () => {
  const partials = createPartials();
  for (const message of [start('m1'), block(0, { type: 'text', text: 'cut off' }), start('m2')]) {
    partials.observe(message);
  }
  expect(partials.blocks()).toEqual([]);
});

test('other messages, deltas of unknown blocks and events without a start are ignored', () => {
  const partials = createPartials();
  const messages = [
    { type: 'system', subtype: 'status' },
    delta(0, { type: 'text_delta', text: 'no message yet' }),
    start('m'),
    delta(3, { type: 'text_delta', text: 'no such block' }),
    stream({ type: 'ping' }),
    stream({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }),
    stream({ type: 'something_new', index: 0 }),
  ];
  for (const message of messages) partials.observe(message);
  expect(partials.blocks()).toEqual([]);
});

test('blocks that were handed out do not change afterwards', () => {
  const partials = createPartials();
  for (const message of [start('m'), block(0, { type: 'text', text: 'a' })]) partials.observe(message);
  const before = partials.blocks();
  partials.observe(delta(0, { type: 'text_delta', text: 'b' }));
  expect(before).toMatchObject([{ text: 'a' }]);
});

test('goes on from blocks that were followed elsewhere', () => {
  const [here, there] = [createPartials(), createPartials()];
  for (const message of [
    start('m'),
    block(0, { type: 'text', text: 'a' }),
    block(1, { type: 'thinking' }, 'sub'),
  ])
    there.observe(message);
  for (const message of [start('old'), block(3, { type: 'text', text: 'gone' })]) here.observe(message);
  there.observe(start('n', 'sub'));
  there.observe(block(1, { type: 'thinking' }, 'sub'));
  here.restore(there.blocks());
  for (const partials of [here, there]) {
    partials.observe(delta(0, { type: 'text_delta', text: 'b' }));
    partials.observe(delta(1, { type: 'thinking_delta', thinking: 'c' }, 'sub'));
  }
  expect(here.blocks()).toEqual(there.blocks());
  expect(here.blocks()).toHaveLength(2);
});
