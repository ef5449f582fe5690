import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCollector } from '../messages/collect.ts';
import { createSequencer, type Sequencer } from '../messages/sequencer.ts';
import { checkStream } from '../testing/check-stream.ts';
import { createPartReader } from './ai-sdk/convert-stream.ts';
import { createChatReader } from './openai-chat/convert-stream.ts';
import { createResponsesReader } from './openai-responses/convert-stream.ts';

const inputs = [{ path: '/a "b" {' }, { command: 'ls }', deep: { n: [1, 2] } }];
const ids = ['call_aaaaaaaaaaaaaaaa', 'call_bbbbbbbbbbbbbbbb'];
const jsonOf = (at: number) => JSON.stringify(inputs[at]);
/** Three chunks of a tool's JSON. */
const thirds = (text: string) => [text.slice(0, 4), text.slice(4, 9), text.slice(9)];

interface Source {
  /** Strands whose own order is fixed and that may be woven together in every way. */
  strands: ((push: unknown) => void)[][];
  end(): void;
}

const fail = (sequencer: Sequencer) => (failure: { message: string }) =>
  sequencer.fail('api_error', failure.message);

function chat(sequencer: Sequencer): Source {
  const reader = createChatReader({
    provider: 'p',
    sequencer,
    toolName: (name) => name,
    drop: () => {},
    noteDropped: () => {},
    isOffered: () => true,
    thinkTags: true,
    fail: fail(sequencer),
  });
  const delta = (value: object) => () => reader.push({ choices: [{ index: 0, delta: value }] });
  const tool = (index: number) => [
    delta({ tool_calls: [{ index, id: ids[index], function: { name: `T${index}`, arguments: '' } }] }),
    ...thirds(jsonOf(index)).map((part) => delta({ tool_calls: [{ index, function: { arguments: part } }] })),
  ];
  return {
    strands: [
      tool(0),
      tool(1),
      [delta({ content: 'one ' }), delta({ content: 'two' })],
      [delta({ reasoning_content: 'hm ' }), delta({ reasoning_content: 'yes' })],
    ],
    end() {
      reader.push({ choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] });
      reader.end(true);
    },
  };
}

function responses(sequencer: Sequencer): Source {
  const reader = createResponsesReader({
    provider: 'p',
    sequencer,
    toolName: (name) => name,
    drop: () => {},
    noteDropped: () => {},
    fail: fail(sequencer),
  });
  const event = (value: object) => () => reader.push(value);
  const tool = (at: number) => {
    const item = { type: 'function_call', call_id: ids[at], name: `T${at}`, arguments: '' };
    return [
      event({ type: 'response.output_item.added', output_index: at, item }),
      ...thirds(jsonOf(at)).map((delta) =>
        event({ type: 'response.function_call_arguments.delta', output_index: at, delta }),
      ),
      event({
        type: 'response.output_item.done',
        output_index: at,
        item: { ...item, arguments: jsonOf(at) },
      }),
    ];
  };
  const text = (delta: string) => event({ type: 'response.output_text.delta', output_index: 2, delta });
  const think = (delta: string) =>
    event({ type: 'response.reasoning_summary_text.delta', output_index: 3, delta });
  const reasoning = { type: 'reasoning', id: 'rs', encrypted_content: 'E' };
  return {
    strands: [
      tool(0),
      tool(1),
      [text('one '), text('two')],
      [
        think('hm '),
        think('yes'),
        event({ type: 'response.output_item.done', output_index: 3, item: reasoning }),
      ],
    ],
    end: event({ type: 'response.completed', response: { status: 'completed' } }),
  };
}

function parts(sequencer: Sequencer): Source {
  const reader = createPartReader({
    provider: 'p',
    sequencer,
    stopSequences: [],
    toolName: (name) => name,
    drop: () => {},
    noteDropped: () => {},
    fail: fail(sequencer),
  });
  const part = (value: LanguageModelV4StreamPart) => () => reader.push(value);
  const providerMetadata = { google: { thoughtSignature: 'SIG' } };
  const tool = (at: number) => {
    const id = ids[at] ?? '';
    return [
      part({ type: 'tool-input-start', id, toolName: `T${at}` }),
      ...thirds(jsonOf(at)).map((delta) => part({ type: 'tool-input-delta', id, delta })),
      part({ type: 'tool-input-end', id }),
      part({ type: 'tool-call', toolCallId: id, toolName: `T${at}`, input: jsonOf(at), providerMetadata }),
    ];
  };
  return {
    strands: [
      tool(0),
      tool(1),
      [
        part({ type: 'text-start', id: 't' }),
        part({ type: 'text-delta', id: 't', delta: 'one ' }),
        part({ type: 'text-delta', id: 't', delta: 'two' }),
        part({ type: 'text-end', id: 't' }),
      ],
      [
        part({ type: 'reasoning-start', id: 'r' }),
        part({ type: 'reasoning-delta', id: 'r', delta: 'hm ' }),
        part({ type: 'reasoning-delta', id: 'r', delta: 'yes' }),
        part({ type: 'reasoning-end', id: 'r', providerMetadata }),
      ],
    ],
    end: part({
      type: 'finish',
      finishReason: { unified: 'tool-calls', raw: 'tool_calls' },
      usage: {
        inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 5, text: 5, reasoning: 0 },
      },
    }),
  };
}

describe.each([
  ['Chat Completions', chat],
  ['Responses', responses],
  ['AI SDK parts', parts],
] as const)('%s', (_, source) => {
  test('interleaved blocks come out whole and in Anthropic’s order', () => {
    const lengths = source(createSequencer({ id: 'm', model: 'm', inputTokens: 5 })).strands.map(
      (strand) => strand.length,
    );
    const order = lengths.flatMap((length, strand) => Array.from({ length }, () => strand));
    fc.assert(
      fc.property(fc.shuffledSubarray(order, { minLength: order.length }), fc.boolean(), (woven, often) => {
        const sequencer = createSequencer({ id: 'm', model: 'm', inputTokens: 5 });
        const { strands, end } = source(sequencer);
        const collector = createCollector();
        const events = [];
        const started: string[] = [];
        for (const strand of woven) {
          const next = strands[strand]?.shift();
          next?.(undefined);
          if (strand < 2 && !started.includes(`T${strand}`)) started.push(`T${strand}`);
          if (often) events.push(...sequencer.take());
        }
        end();
        events.push(...sequencer.take());
        collector.push(events);
        expect(checkStream(events)).toEqual([]);
        const { message } = collector.result();
        const texts = message?.content.flatMap((block) => (block.type === 'text' ? [block.text] : []));
        const thoughts = message?.content.flatMap((block) =>
          block.type === 'thinking' ? [block.thinking] : [],
        );
        const tools = message?.content.flatMap((block) => (block.type === 'tool_use' ? [block] : []));
        expect(texts?.join('')).toBe('one two');
        expect(thoughts?.join('')).toBe('hm yes');
        expect(tools?.map((tool) => tool.name)).toEqual(started);
        expect(Object.fromEntries(tools?.map((tool) => [tool.name, tool.input]) ?? [])).toEqual({
          T0: inputs[0],
          T1: inputs[1],
        });
        expect(message?.stop_reason).toBe('tool_use');
      }),
      { numRuns: 2_000 },
    );
  });
});
