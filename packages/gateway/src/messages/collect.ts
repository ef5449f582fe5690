import type { AnswerBlock, AnswerMessage, StreamEvent } from './types.ts';

/** Assembles the message of a stream from its events; an `error` event is returned as the error. */
export function createCollector(): {
  push(events: readonly StreamEvent[]): void;
  result(): { message?: AnswerMessage; error?: { type: string; message: string }; complete: boolean };
} {
  let message: AnswerMessage | undefined;
  let error: { type: string; message: string } | undefined;
  let complete = false;
  const json = new Map<number, string>();

  function onBlockStop(index: number): void {
    const block = message?.content[index];
    if (block?.type !== 'tool_use') return;
    const text = json.get(index);
    block.input = text === undefined || text.trim() === '' ? {} : parseInput(text);
  }

  function onDelta(event: Extract<StreamEvent, { type: 'content_block_delta' }>): void {
    const block: AnswerBlock | undefined = message?.content[event.index];
    const delta = event.delta;
    if (delta.type === 'input_json_delta') {
      json.set(event.index, (json.get(event.index) ?? '') + delta.partial_json);
    } else if (delta.type === 'text_delta' && block?.type === 'text') block.text += delta.text;
    else if (delta.type === 'thinking_delta' && block?.type === 'thinking') block.thinking += delta.thinking;
    else if (delta.type === 'signature_delta' && block?.type === 'thinking')
      block.signature = delta.signature;
  }

  return {
    push(events) {
      for (const event of events) {
        if (event.type === 'message_start') message = { ...event.message, content: [] };
        else if (event.type === 'content_block_start' && message) {
          message.content[event.index] = { ...event.content_block };
        } else if (event.type === 'content_block_delta') onDelta(event);
        else if (event.type === 'content_block_stop') onBlockStop(event.index);
        else if (event.type === 'message_delta' && message) {
          message.stop_reason = event.delta.stop_reason;
          message.stop_sequence = event.delta.stop_sequence;
          message.usage = { ...message.usage, ...event.usage };
        } else if (event.type === 'message_stop') complete = true;
        else if (event.type === 'error') error = event.error;
      }
    },
    result: () => ({ ...(message && { message }), ...(error && { error }), complete }),
  };
}

/** A tool call that max_tokens cut off is not valid JSON; the client gets the text that the model wrote. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return { _incomplete_json: text };
  }
}
