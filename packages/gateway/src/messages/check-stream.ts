import type { StreamEvent } from './types.ts';

/**
 * What is wrong with an Anthropic stream, as sentences; nothing when it is well formed. Used by the tests of every
 * provider: one message_start with input tokens, blocks numbered from 0 and never overlapping, deltas that fit their
 * block, tool inputs that are JSON objects, usage and a stop_reason at the end, or an `error` event as the last one.
 */
export function checkStream(events: readonly StreamEvent[]): string[] {
  const problems: string[] = [];
  let open: { index: number; type: string; json: string } | undefined;
  let next = 0;
  let started = false;
  let ended = false;
  let delta: Extract<StreamEvent, { type: 'message_delta' }> | undefined;
  let tools = 0;
  const ids = new Set<string>();
  const say = (text: string) => problems.push(text);

  for (const [at, event] of events.entries()) {
    if (event.type === 'ping') continue;
    if (ended) say(`${event.type} after the end`);
    if (event.type === 'error') {
      ended = true;
      if (!event.error.type || !event.error.message) say('an error without type or message');
      if (at !== events.length - 1) say('an error that is not the last event');
      continue;
    }
    if (event.type === 'message_start') {
      if (started) say('a second message_start');
      started = true;
      if (!(event.message.usage.input_tokens > 0)) say('message_start without input tokens');
      if (event.message.content.length > 0) say('message_start with content');
      continue;
    }
    if (!started) say(`${event.type} before message_start`);
    switch (event.type) {
      case 'content_block_start':
        if (open) say(`block ${event.index} starts inside block ${open.index}`);
        if (delta) say('a block after message_delta');
        if (event.index !== next) say(`block ${event.index} where ${next} was due`);
        next = event.index + 1;
        open = { index: event.index, type: event.content_block.type, json: '' };
        if (event.content_block.type === 'tool_use') {
          tools += 1;
          const { id, name } = event.content_block;
          if (!/^[a-zA-Z0-9_-]+$/.test(id)) say(`tool id ${JSON.stringify(id)}`);
          if (ids.has(id)) say(`tool id ${id} twice`);
          if (!name) say('a tool call without a name');
          ids.add(id);
        }
        break;
      case 'content_block_delta': {
        if (open?.index !== event.index) say(`a delta for block ${event.index}, which is not open`);
        const fits: Record<string, string> = {
          text_delta: 'text',
          thinking_delta: 'thinking',
          signature_delta: 'thinking',
          input_json_delta: 'tool_use',
        };
        if (open && fits[event.delta.type] !== open.type) say(`${event.delta.type} in a ${open.type} block`);
        if (open && event.delta.type === 'input_json_delta') open.json += event.delta.partial_json;
        break;
      }
      case 'content_block_stop':
        if (open?.index !== event.index) say(`stop of block ${event.index}, which is not open`);
        else if (open.type === 'tool_use') checkInput(open.json, events, say);
        open = undefined;
        break;
      case 'message_delta':
        if (open) say(`message_delta inside block ${open.index}`);
        if (delta) say('a second message_delta');
        delta = event;
        if (!event.delta.stop_reason) say('message_delta without stop_reason');
        if (!(event.usage.output_tokens > 0)) say('message_delta without output tokens');
        break;
      case 'message_stop':
        if (!delta) say('message_stop without message_delta');
        ended = true;
        break;
    }
  }
  if (!ended) say('the stream has no end');
  if (tools > 0 && delta?.delta.stop_reason === 'end_turn') say('tool calls with stop_reason end_turn');
  return problems;
}

function checkInput(json: string, events: readonly StreamEvent[], say: (text: string) => void): void {
  if (json.trim() === '') return;
  const cut = events.some(
    (event) => event.type === 'message_delta' && event.delta.stop_reason === 'max_tokens',
  );
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) say('a tool input is no object');
  } catch {
    if (!cut) say(`a tool input is not JSON: ${json.slice(0, 80)}`);
  }
}
