import { randomUUID } from 'node:crypto';
import type { Step } from './script.ts';
import { estimateTokens } from './tokens.ts';

/** A finished answer: the content blocks of one assistant message. */
export interface Answer {
  id: string;
  model: string;
  content: AnswerBlock[];
  stop_reason: string;
  usage: Usage;
}

export type AnswerBlock =
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'text'; text: string }
  | { type: 'tool_use'; id: string; name: string; input: Record<string, unknown> };

export interface Usage {
  input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  output_tokens: number;
}

/** What a stream consists of: bytes to send, pauses, gates to wait at, or the end of the connection. */
export type Frame =
  | { kind: 'event'; text: string }
  | { kind: 'pause'; ms: number }
  | { kind: 'gate'; name: string }
  | { kind: 'cut' };

/** How long the input of a tool may be before it is sent in another chunk. */
const INPUT_PIECE = 48;

/**
 * Turns a step into the answer. Its texts and inputs depend on the conversation alone; the ids are random, since
 * two sessions with the same conversation must not share a tool id.
 */
export function buildAnswer(step: Step, model: string, inputTokens: number): Answer {
  const content: AnswerBlock[] = [];
  if (step.thinking) {
    content.push({ type: 'thinking', thinking: step.thinking, signature: signatureOf(step.thinking) });
  }
  if (step.say) content.push({ type: 'text', text: step.say });
  for (const tool of step.tools ?? []) {
    content.push({ type: 'tool_use', id: newId('toolu'), name: tool.name, input: tool.input ?? {} });
  }
  const hasTools = (step.tools?.length ?? 0) > 0;
  return {
    id: newId('msg'),
    model,
    content,
    stop_reason: step.stop_reason ?? (hasTools ? 'tool_use' : 'end_turn'),
    usage: {
      input_tokens: step.usage?.input_tokens ?? inputTokens,
      cache_creation_input_tokens: step.usage?.cache_creation_input_tokens ?? 0,
      cache_read_input_tokens: step.usage?.cache_read_input_tokens ?? 0,
      output_tokens: step.usage?.output_tokens ?? estimateTokens(content),
    },
  };
}

/** A random id in Anthropic's form, such as `toolu_3f…`. */
export function newId(prefix: 'msg' | 'toolu' | 'req'): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}

/** Real signatures are opaque base64; this one only has to look the part and be the same every time. */
function signatureOf(thinking: string): string {
  return btoa(`demo:${thinking.length}`);
}

/** The answer as one JSON message. Gates that stand in its texts are not part of them. */
export function encodeMessage(answer: Answer): string {
  const content = answer.content.map((block) => {
    if (block.type === 'text') return { ...block, text: withoutGates(block.text) };
    if (block.type === 'thinking') return { ...block, thinking: withoutGates(block.thinking) };
    return block;
  });
  return JSON.stringify({
    id: answer.id,
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content,
    stop_reason: answer.stop_reason,
    stop_sequence: null,
    usage: answer.usage,
  });
}

/** A pause before every so many words. */
interface Pace {
  delayMs: number;
  every: number;
}

/** Nobody asked for it to be slow: all pauses of an answer together take no longer than this. */
const MOST_PAUSES_MS = 150;

export const slowPace = (delayMs: number): Pace => ({ delayMs, every: 1 });

/** The pace of an answer that should be seen to come word by word, and not be waited for. */
export function quickPace(answer: Answer, delayMs: number): Pace {
  const words = answer.content.reduce((sum, block) => {
    const text = block.type === 'text' ? block.text : block.type === 'thinking' ? block.thinking : '';
    return sum + wordsOf(text).length;
  }, 0);
  return { delayMs, every: Math.max(1, Math.ceil((words * delayMs) / MOST_PAUSES_MS)) };
}

const wordsOf = (text: string): string[] => text.match(/\s*\S+\s*|\s+/g) ?? [];

/** The answer as a stream, from `message_start` to `message_stop`, with a pause before each word if asked. */
export function* streamFrames(answer: Answer, before: Frame[], pace: Pace): Generator<Frame> {
  const { content, usage } = answer;
  yield event('message_start', {
    message: {
      id: answer.id,
      type: 'message',
      role: 'assistant',
      model: answer.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...usage, output_tokens: Math.min(1, usage.output_tokens) },
    },
  });
  yield* before;
  for (const [index, block] of content.entries()) yield* blockFrames(index, block, pace);
  yield event('message_delta', {
    delta: { stop_reason: answer.stop_reason, stop_sequence: null },
    usage,
  });
  yield event('message_stop', {});
}

function* blockFrames(index: number, block: AnswerBlock, pace: Pace): Generator<Frame> {
  if (block.type === 'tool_use') {
    yield event('content_block_start', { index, content_block: { ...block, input: {} } });
    for (const chunk of chunks(JSON.stringify(block.input))) {
      yield delta(index, { type: 'input_json_delta', partial_json: chunk });
    }
  } else if (block.type === 'thinking') {
    yield event('content_block_start', {
      index,
      content_block: { type: 'thinking', thinking: '', signature: '' },
    });
    yield* wordFrames(block.thinking, pace, (word) =>
      delta(index, { type: 'thinking_delta', thinking: word }),
    );
    yield delta(index, { type: 'signature_delta', signature: block.signature });
  } else {
    yield event('content_block_start', { index, content_block: { type: 'text', text: '' } });
    yield* wordFrames(block.text, pace, (word) => delta(index, { type: 'text_delta', text: word }));
  }
  yield event('content_block_stop', { index });
}

const GATE_IN_TEXT = /\{\{hold:([^{}]+)\}\}/;

function* wordFrames(
  text: string,
  { delayMs, every }: Pace,
  encode: (word: string) => Frame,
): Generator<Frame> {
  // With one capturing group, split() gives text and gate name by turns.
  for (const [position, part] of text.split(GATE_IN_TEXT).entries()) {
    if (position % 2 === 1) {
      yield { kind: 'gate', name: part };
      continue;
    }
    for (const [at, word] of wordsOf(part).entries()) {
      if (delayMs > 0 && at % every === 0) yield { kind: 'pause', ms: delayMs };
      yield encode(word);
    }
  }
}

/** What a JSON answer waits for: the same pauses and gates that a stream would have had. */
export function waitsOf(answer: Answer, before: Frame[], pace: Pace): Frame[] {
  const frames = [...streamFrames(answer, before, pace)];
  return frames.filter((frame) => frame.kind === 'pause' || frame.kind === 'gate');
}

function withoutGates(text: string): string {
  return text.replace(new RegExp(GATE_IN_TEXT, 'g'), '');
}

function chunks(json: string): string[] {
  const list: string[] = [];
  for (let at = 0; at < json.length; at += INPUT_PIECE) list.push(json.slice(at, at + INPUT_PIECE));
  return list;
}

function delta(index: number, value: Record<string, unknown>): Frame {
  return event('content_block_delta', { index, delta: value });
}

function event(type: string, data: Record<string, unknown>): Frame {
  return { kind: 'event', text: `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n` };
}

export const PING = `event: ping\ndata: {"type":"ping"}\n\n`;
