/**
 * Reads a whole SSE answer of the Messages API as a strict client does: event order, block indices, JSON of tool
 * inputs. For tests of anything that writes such streams.
 */

export interface ReadStream {
  /** What is wrong with the stream; empty when it is well formed. */
  problems: string[];
  content: StreamedBlock[];
  stopReason: string | undefined;
  /** The usage of `message_start` with what `message_delta` put over it. */
  usage: Record<string, unknown>;
  /** The types of all events in order, pings included. */
  events: string[];
}

export interface StreamedBlock {
  type: string;
  [field: string]: unknown;
}

interface StreamEvent {
  type: string;
  index?: number;
  message?: { usage?: Record<string, unknown> };
  content_block?: StreamedBlock;
  delta?: Record<string, unknown>;
  usage?: Record<string, unknown>;
}

/** Which delta adds to which field of which block. */
const FIELD_OF_DELTA: Record<string, { block: string; from: string; to: string }> = {
  text_delta: { block: 'text', from: 'text', to: 'text' },
  thinking_delta: { block: 'thinking', from: 'thinking', to: 'thinking' },
  signature_delta: { block: 'thinking', from: 'signature', to: 'signature' },
  input_json_delta: { block: 'tool_use', from: 'partial_json', to: 'input' },
};

/** Checks the text of a finished stream and puts the message together again. */
export function checkStream(text: string): ReadStream {
  const read: ReadStream = { problems: [], content: [], stopReason: undefined, usage: {}, events: [] };
  const { problems } = read;
  let open: number | undefined;
  let state: 'before' | 'running' | 'ending' | 'done' = 'before';
  if (!text.endsWith('\n\n')) problems.push('the stream ends in the middle of an event');

  for (const frame of text.split('\n\n').filter((part) => part !== '')) {
    const event = parseFrame(frame, problems);
    if (!event) continue;
    read.events.push(event.type);
    if (event.type === 'ping') continue;
    if (state === 'done') problems.push(`${event.type} after message_stop`);
    if ((event.type === 'message_start') !== (state === 'before'))
      problems.push(`${event.type} while ${state}`);
    if (event.type.startsWith('content_block') && state === 'ending')
      problems.push(`${event.type} after message_delta`);
    switch (event.type) {
      case 'message_start':
        state = 'running';
        read.usage = { ...event.message?.usage };
        break;
      case 'content_block_start':
        if (open !== undefined) problems.push(`block ${event.index} starts while block ${open} is open`);
        if (event.index !== read.content.length)
          problems.push(`block index ${event.index}, not ${read.content.length}`);
        open = event.index;
        read.content.push(startBlock(event.content_block));
        break;
      case 'content_block_delta':
        if (open === undefined || event.index !== open)
          problems.push(`delta for block ${event.index}, open: ${open}`);
        addDelta(read, event);
        break;
      case 'content_block_stop':
        if (open === undefined || event.index !== open)
          problems.push(`stop of block ${event.index}, open: ${open}`);
        open = undefined;
        finishBlock(read.content.at(-1), problems);
        break;
      case 'message_delta':
        if (open !== undefined) problems.push(`message_delta while block ${open} is open`);
        state = 'ending';
        read.stopReason = event.delta?.stop_reason as string | undefined;
        Object.assign(read.usage, event.usage);
        break;
      case 'message_stop':
        if (state !== 'ending') problems.push('message_stop without message_delta');
        state = 'done';
        break;
      default:
        problems.push(`unknown event ${event.type}`);
    }
  }
  if (state !== 'done') problems.push('the stream ends without message_stop');
  return read;
}

function parseFrame(frame: string, problems: string[]): StreamEvent | undefined {
  const match = /^event: (\S+)\ndata: (.*)$/.exec(frame);
  if (!match) {
    problems.push(`not an event with one data line: ${frame}`);
    return undefined;
  }
  try {
    const event = JSON.parse(match[2] ?? '') as StreamEvent;
    if (event.type !== match[1]) problems.push(`event ${match[1]} carries the type ${event.type}`);
    return event;
  } catch {
    problems.push(`the data of ${match[1]} is not JSON`);
    return undefined;
  }
}

function startBlock(block: StreamedBlock | undefined): StreamedBlock {
  if (block?.type === 'tool_use') return { ...block, input: '' };
  return { ...block, type: block?.type ?? 'missing' };
}

function addDelta(read: ReadStream, event: StreamEvent): void {
  const block = read.content[event.index ?? -1];
  const rule = FIELD_OF_DELTA[String(event.delta?.type)];
  if (!block || rule?.block !== block.type) {
    read.problems.push(`${event.delta?.type} in a block of type ${block?.type}`);
    return;
  }
  block[rule.to] = `${block[rule.to] ?? ''}${event.delta?.[rule.from]}`;
}

function finishBlock(block: StreamedBlock | undefined, problems: string[]): void {
  if (block?.type !== 'tool_use') return;
  try {
    block.input = JSON.parse(String(block.input) || '{}');
  } catch {
    problems.push(`the input of ${block.name} is not JSON: ${block.input}`);
  }
}
