import type { AnswerBlock, AnswerMessage, StreamEvent } from './types.ts';

/** Converts a complete message to the events of a stream. */
export function messageToEvents(message: AnswerMessage): StreamEvent[] {
  const events: StreamEvent[] = [
    { type: 'message_start', message: { ...message, content: [], stop_reason: null, stop_sequence: null } },
  ];
  for (const [index, block] of message.content.entries()) {
    events.push(...blockEvents(index, block), { type: 'content_block_stop', index });
  }
  events.push(
    {
      type: 'message_delta',
      delta: { stop_reason: message.stop_reason ?? 'end_turn', stop_sequence: message.stop_sequence },
      usage: message.usage,
    },
    { type: 'message_stop' },
  );
  return events;
}

function blockEvents(index: number, block: AnswerBlock): StreamEvent[] {
  const type = 'content_block_start';
  switch (block.type) {
    case 'text':
      return [
        { type, index, content_block: { type: 'text', text: '' } },
        { type: 'content_block_delta', index, delta: { type: 'text_delta', text: block.text } },
      ];
    case 'thinking':
      return [
        { type, index, content_block: { type: 'thinking', thinking: '', signature: '' } },
        { type: 'content_block_delta', index, delta: { type: 'thinking_delta', thinking: block.thinking } },
        {
          type: 'content_block_delta',
          index,
          delta: { type: 'signature_delta', signature: block.signature ?? '' },
        },
      ];
    case 'tool_use':
      return [
        { type, index, content_block: { ...block, input: {} } },
        {
          type: 'content_block_delta',
          index,
          delta: { type: 'input_json_delta', partial_json: JSON.stringify(block.input) },
        },
      ];
    default:
      return [{ type, index, content_block: block }];
  }
}
