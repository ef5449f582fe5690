import type { LanguageModelV4FinishReason } from '@ai-sdk/provider';
import type { StopReason } from '../../messages/types.ts';

interface Stop {
  reason: StopReason;
  sequence: string | null;
}

/** Maps a provider's finish reason. Some report that a stop sequence was met, but not which one. */
export function mapStopReason(finish: LanguageModelV4FinishReason, stopSequences: readonly string[]): Stop {
  const raw = finish.raw?.toLowerCase() ?? '';
  if (raw === 'stop_sequence' && stopSequences.length > 0) {
    return {
      reason: 'stop_sequence',
      sequence: stopSequences.length === 1 ? (stopSequences[0] ?? null) : null,
    };
  }
  if (raw === 'model_context_window_exceeded')
    return { reason: 'model_context_window_exceeded', sequence: null };
  switch (finish.unified) {
    case 'length':
      return { reason: 'max_tokens', sequence: null };
    case 'content-filter':
      return { reason: 'refusal', sequence: null };
    case 'tool-calls':
      return { reason: 'tool_use', sequence: null };
    default:
      return { reason: 'end_turn', sequence: null };
  }
}
