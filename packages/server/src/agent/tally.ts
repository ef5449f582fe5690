import type { UsageRow } from '../store/store.ts';
import type { AgentMessage } from './agent.ts';

/** Tokens of one model call, in Anthropic's names. */
export interface CallUsage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
}

/** Dollars for one model call; undefined when the price is unknown. */
export type Price = (model: string, usage: CallUsage) => Promise<number | undefined>;

/** Counts the usage of model calls from the agent's messages. */
export interface Tally {
  add(message: AgentMessage): void;
  /** The usage since the last `take`, by model; its calls are not counted again. */
  take(): Promise<UsageRow[]>;
  /** Drops the same usage: it was reported elsewhere. */
  clear(): void;
}

const NAMES = [
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
] as const;

/** The model of messages that the agent itself makes, for example after an API error: not a model call. */
const SYNTHETIC = '<synthetic>';

interface ModelMessage {
  id?: string;
  model?: string;
  usage?: Partial<Record<(typeof NAMES)[number], number | null>> | null;
}

/**
 * One answer of the model comes in several messages (one per content block, and stream events); all carry the
 * answer's id, so each answer is counted once.
 */
export function createTally(price: Price): Tally {
  const calls = new Map<string, { model: string; usage: CallUsage }>();
  const taken = new Set<string>();
  /** The call that a thread (the main one, or a subagent's) is streaming. */
  const streaming = new Map<unknown, string>();

  const note = (id: string, model: string | undefined, usage: ModelMessage['usage']): void => {
    if (taken.has(id) || !usage) return;
    const call = calls.get(id) ?? {
      model: model ?? '',
      usage: {
        input_tokens: 0,
        output_tokens: 0,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
      },
    };
    // Each report is cumulative; the first one of a stream says 1 for the output.
    for (const name of NAMES) call.usage[name] = Math.max(call.usage[name], usage[name] ?? 0);
    calls.set(id, call);
  };

  const noteMessage = ({ id, model, usage }: ModelMessage): void => {
    if (id !== undefined && model !== SYNTHETIC) note(id, model, usage);
  };

  const clear = (): void => {
    for (const id of calls.keys()) taken.add(id);
    calls.clear();
  };

  return {
    add(message) {
      if (message.type === 'assistant') return noteMessage(message.message as ModelMessage);
      if (message.type !== 'stream_event') return;
      const event = message.event as { type: string; message?: ModelMessage; usage?: ModelMessage['usage'] };
      const thread = message.parent_tool_use_id;
      if (event.type === 'message_start' && event.message?.id !== undefined) {
        streaming.set(thread, event.message.id);
        noteMessage(event.message);
      } else if (event.type === 'message_delta') {
        const id = streaming.get(thread);
        if (id !== undefined) note(id, undefined, event.usage);
      }
    },

    async take() {
      const rows = [...calls.values()].map(
        async ({ model, usage }): Promise<UsageRow> => ({
          model,
          inputTokens: usage.input_tokens,
          outputTokens: usage.output_tokens,
          cacheReadInputTokens: usage.cache_read_input_tokens,
          cacheCreationInputTokens: usage.cache_creation_input_tokens,
          costUsd: (await price(model, usage)) ?? 0,
        }),
      );
      clear();
      return byModel(await Promise.all(rows));
    },

    clear,
  };
}

function byModel(rows: UsageRow[]): UsageRow[] {
  const sums = new Map<string, UsageRow>();
  for (const row of rows) {
    const sum = sums.get(row.model);
    sums.set(row.model, sum ? addRows(sum, row) : row);
  }
  return [...sums.values()];
}

const addRows = (a: UsageRow, b: UsageRow): UsageRow => ({
  model: a.model,
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  cacheReadInputTokens: a.cacheReadInputTokens + b.cacheReadInputTokens,
  cacheCreationInputTokens: a.cacheCreationInputTokens + b.cacheCreationInputTokens,
  costUsd: a.costUsd + b.costUsd,
});
