import type { StreamEvent } from '../messages/types.ts';

/**
 * Lists what is wrong with an Anthropic stream; empty for a valid one. A valid stream has one message_start with input
 * tokens, blocks numbered from 0 that never overlap, deltas of their block's type, tool inputs that are JSON objects, and
 * usage and a stop_reason at the end, or an `error` as its last event.
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
  const report = (text: string) => problems.push(text);

  for (const [at, event] of events.entries()) {
    if (event.type === 'ping') continue;
    if (ended) report(`${event.type} after the end`);
    if (event.type === 'error') {
      ended = true;
      if (!event.error.type || !event.error.message) report('an error without type or message');
      if (at !== events.length - 1) report('an error that is not the last event');
      continue;
    }
    if (event.type === 'message_start') {
      if (started) report('a second message_start');
      started = true;
      if (!(event.message.usage.input_tokens > 0)) report('message_start without input tokens');
      if (event.message.content.length > 0) report('message_start with content');
      continue;
    }
    if (!started) report(`${event.type} before message_start`);
    switch (event.type) {
      case 'content_block_start':
        if (open) report(`block ${event.index} starts inside block ${open.index}`);
        if (delta) report('a block after message_delta');
        if (event.index !== next) report(`block ${event.index} where ${next} was due`);
        next = event.index + 1;
        open = { index: event.index, type: event.content_block.type, json: '' };
        if (event.content_block.type === 'tool_use') {
          tools += 1;
          const { id, name } = event.content_block;
          if (!/^[a-zA-Z0-9_-]+$/.test(id)) report(`tool id ${JSON.stringify(id)}`);
          if (ids.has(id)) report(`tool id ${id} twice`);
          if (!name) report('a tool call without a name');
          ids.add(id);
        }
        break;
      case 'content_block_delta': {
        if (open?.index !== event.index) report(`a delta for block ${event.index}, which is not open`);
        const fits: Record<string, string> = {
          text_delta: 'text',
          thinking_delta: 'thinking',
          signature_delta: 'thinking',
          input_json_delta: 'tool_use',
        };
        if (open && fits[event.delta.type] !== open.type)
          report(`${event.delta.type} in a ${open.type} block`);
        if (open && event.delta.type === 'input_json_delta') open.json += event.delta.partial_json;
        break;
      }
      case 'content_block_stop':
        if (open?.index !== event.index) report(`stop of block ${event.index}, which is not open`);
        else if (open.type === 'tool_use') checkInput(open.json, events, report);
        open = undefined;
        break;
      case 'message_delta':
        if (open) report(`message_delta inside block ${open.index}`);
        if (delta) report('a second message_delta');
        delta = event;
        if (!event.delta.stop_reason) report('message_delta without stop_reason');
        if (!(event.usage.output_tokens > 0)) report('message_delta without output tokens');
        break;
      case 'message_stop':
        if (!delta) report('message_stop without message_delta');
        ended = true;
        break;
    }
  }
  if (!ended) report('the stream has no end');
  if (tools > 0 && delta?.delta.stop_reason === 'end_turn') report('tool calls with stop_reason end_turn');
  return problems;
}

function checkInput(json: string, events: readonly StreamEvent[], report: (text: string) => void): void {
  if (json.trim() === '') return;
  const cut = events.some(
    (event) => event.type === 'message_delta' && event.delta.stop_reason === 'max_tokens',
  );
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      report('a tool input is not an object');
  } catch {
    if (!cut) report(`a tool input is not JSON: ${json.slice(0, 80)}`);
  }
}
