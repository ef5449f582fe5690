import { createBlockWriter } from './block-writer.ts';
import { createHiddenThoughts } from './hidden-thoughts.ts';
import { createJsonShape, isCompleteJson, type JsonShape } from './json-shape.ts';
import { encodeProvenance, type Provenance } from './provenance.ts';
import { createStopScanner } from './stop-sequences.ts';
import type { StopReason, StreamEvent, Usage } from './types.ts';

interface SequencerOptions {
  id: string;
  model: string;
  /** Input tokens, known or estimated before the answer starts; the client's context meter reads them. */
  inputTokens: number;
  /** Stop sequences that the gateway has to look for because the provider does not. */
  stopSequences?: readonly string[];
  /**
   * False for a client that did not ask for thinking and may take the first block for the text: it gets no thinking. What
   * the provider wants back on the next turn (only after tool calls) follows at the end as `redacted_thinking`.
   */
  showThoughts?: boolean;
}

/**
 * Turns a provider's deltas, in any order, into Anthropic's stream, where one block is open at a time.
 *
 * Providers interleave blocks: the deltas of two tool calls, or a text that ends after the next block has begun. Text and
 * thinking can be split into two blocks without harm, the JSON of a tool call cannot. So a tool call stays open until it
 * is complete, and everything else is queued in order of arrival; a text is closed as soon as another block begins.
 */
export interface Sequencer {
  text(delta: string): void;
  /** Ends the text: further text belongs to another block. */
  textEnd(): void;
  thinking(delta: string): void;
  /** Signs the thinking so far with the data that the provider wants back. */
  sign(provenance: Provenance): void;
  /** Keeps data that the provider wants back but that is not readable thinking. */
  keep(provenance: Provenance): void;
  toolStart(key: string, id: string, name: string): void;
  toolInput(key: string, json: string): void;
  toolEnd(key: string): void;
  /** The arguments of a tool call so far; undefined for a call that has not started. */
  toolJson(key: string): string | undefined;
  hasTools(): boolean;
  /** True while no content was written. */
  isEmpty(): boolean;
  usage(usage: Partial<Usage>): void;
  finish(reason: StopReason, stopSequence?: string | null): void;
  fail(type: string, message: string): void;
  /** True after the end, or once a stop sequence matched: the rest of the upstream's answer is ignored. */
  finished(): boolean;
  /** True when the sequencer ended the answer, so that the upstream may still be sending. */
  cut(): boolean;
  /** The events since the last call. */
  take(): StreamEvent[];
}

interface ToolCall {
  key: string;
  id: string;
  name: string;
  /** All arguments so far, and the part that was not written yet. */
  json: string;
  unsent: string;
  shape: JsonShape;
  ended: boolean;
}

type Queued =
  | ToolCall
  | { text: string }
  | { textEnd: true }
  | { thinking: string }
  | { signature: string }
  | { data: string };

function startsObject(json: string): boolean {
  return json.charCodeAt(0) === 123 || json.trimStart().startsWith('{');
}

/** Some providers send `null`, or the arguments as JSON in a string; nothing of it has been written yet. */
function normalizeInput(json: string): string {
  if (startsObject(json) || json === '') return json;
  try {
    const value: unknown = JSON.parse(json);
    if (value === null || value === '') return '{}';
    if (typeof value === 'string' && startsObject(value)) return value;
    return JSON.stringify({ value });
  } catch {
    return json.trim() === '' ? '' : json;
  }
}

export function createSequencer(options: SequencerOptions): Sequencer {
  let done = false;
  let cut = false;
  /** The tool call whose block is open. */
  let current: ToolCall | undefined;
  const tools = new Map<string, ToolCall>();
  const queue: Queued[] = [];
  const hidden = createHiddenThoughts();
  const showThoughts = options.showThoughts ?? true;
  const scanner = options.stopSequences?.length ? createStopScanner(options.stopSequences) : undefined;
  const usage: Usage = {
    input_tokens: options.inputTokens,
    output_tokens: 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  };
  let reported = false;
  const writer = createBlockWriter(() => ({
    id: options.id,
    type: 'message',
    role: 'assistant',
    model: options.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  }));

  function closeTool(): void {
    writer.close();
    current = undefined;
  }

  function writeTool(tool: ToolCall): void {
    if (current !== tool) {
      writer.openTool(tool.id, tool.name);
      current = tool;
    }
    const isObject = tool.shape.begins() === 'object';
    if (tool.ended && !isObject) {
      tool.json = normalizeInput(tool.json);
      tool.unsent = startsObject(tool.json) ? tool.json : '';
    }
    if (tool.unsent !== '' && (isObject || tool.ended)) {
      writer.toolInput(tool.unsent);
      tool.unsent = '';
    }
    if (tool.ended) closeTool();
  }

  /** An open tool call blocks everything else until its JSON is complete. */
  function isBlocked(): boolean {
    if (current === undefined) return false;
    if (!current.ended && current.shape.closed()) {
      current.ended = true;
      closeTool();
    }
    return current !== undefined;
  }

  function drain(): void {
    while (queue.length > 0 && !isBlocked()) {
      const next = queue.shift();
      if (next === undefined) return;
      if ('key' in next) writeTool(next);
      else if ('text' in next) writer.text(next.text);
      else if ('textEnd' in next) writer.endText();
      else if ('thinking' in next) writer.thinking(next.thinking);
      else if ('signature' in next) writer.signature(next.signature);
      else writer.redacted(next.data);
    }
  }

  function put(item: Queued): void {
    if (done) return;
    queue.push(item);
    drain();
  }

  function flushText(): void {
    const rest = scanner?.flush();
    if (rest) put({ text: rest });
  }

  function end(reason: StopReason, stopSequence: string | null): void {
    writer.start();
    for (const tool of tools.values()) {
      tool.ended = true;
      tool.json = normalizeInput(tool.json);
      // A call that a content filter cut off is incomplete too, but that reason is reported.
      if (reason !== 'max_tokens' && reason !== 'refusal' && tool.json !== '' && !isCompleteJson(tool.json)) {
        fail('api_error', `The provider sent a call of the tool ${tool.name} whose arguments are not JSON.`);
        return;
      }
    }
    if (current) writeTool(current);
    drain();
    if (tools.size > 0) for (const provenance of hidden.all()) writer.redacted(encodeProvenance(provenance));
    if (!reported) usage.output_tokens = Math.max(1, Math.ceil(writer.written() / 4));
    writer.finish(
      {
        type: 'message_delta',
        delta: { stop_reason: withTools(reason), stop_sequence: stopSequence },
        usage: { ...usage },
      },
      { type: 'message_stop' },
    );
    done = true;
  }

  /** Some providers report `stop` after tool calls, or `tool_calls` without any. */
  function withTools(reason: StopReason): StopReason {
    if (reason === 'end_turn' && tools.size > 0) return 'tool_use';
    return reason === 'tool_use' && tools.size === 0 ? 'end_turn' : reason;
  }

  function fail(type: string, message: string): void {
    if (done) return;
    done = true;
    cut = true;
    writer.fail(type, message);
  }

  return {
    text(text) {
      if (done || text === '') return;
      if (text.trim() !== '') hidden.text();
      if (!scanner) return put({ text });
      const found = scanner.push(text);
      if (found.text !== '') put({ text: found.text });
      if (found.match !== undefined) {
        cut = true;
        end('stop_sequence', found.match);
      }
    },
    textEnd() {
      flushText();
      hidden.other();
      put({ textEnd: true });
    },
    thinking(thinking) {
      if (!showThoughts) {
        hidden.thinking(thinking);
        return;
      }
      flushText();
      put({ thinking });
    },
    sign(provenance) {
      if (!showThoughts) {
        hidden.keep(provenance);
        return;
      }
      flushText();
      put({ signature: encodeProvenance(provenance) });
    },
    keep(provenance) {
      if (!showThoughts) {
        hidden.keep(provenance);
        return;
      }
      flushText();
      put({ data: encodeProvenance(provenance) });
    },
    toolStart(key, id, name) {
      if (done || tools.has(key)) return;
      flushText();
      hidden.tool();
      const tool: ToolCall = { key, id, name, json: '', unsent: '', shape: createJsonShape(), ended: false };
      tools.set(key, tool);
      put(tool);
    },
    toolInput(key, json) {
      const tool = tools.get(key);
      if (done || !tool || json === '' || (tool.ended && json.trim() === '')) return;
      tool.json += json;
      tool.unsent += json;
      tool.shape.push(json);
      if (current === tool) writeTool(tool);
      else drain();
    },
    toolEnd(key) {
      const tool = tools.get(key);
      if (done || !tool) return;
      tool.ended = true;
      if (current === tool) writeTool(tool);
      drain();
    },
    toolJson: (key) => tools.get(key)?.json,
    hasTools: () => tools.size > 0,
    isEmpty: () => writer.isEmpty() && queue.length === 0,
    usage(update) {
      Object.assign(usage, update);
      if (update.output_tokens !== undefined) reported = true;
    },
    finish(reason, stopSequence = null) {
      if (done) return;
      flushText();
      end(reason, stopSequence);
    },
    fail,
    finished: () => done,
    cut: () => cut,
    take: writer.take,
  };
}
