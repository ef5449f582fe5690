import type { StopReason } from '../../messages/types.ts';

/** Maps `finish_reason`, including the variants of imitations. */
export function mapStopReason(reason: string): StopReason {
  switch (reason) {
    case 'length':
    case 'max_tokens':
    case 'model_length':
      return 'max_tokens';
    case 'tool_calls':
    case 'function_call':
    case 'tool_use':
      return 'tool_use';
    case 'content_filter':
    case 'sensitive':
    case 'safety':
      return 'refusal';
    default:
      return 'end_turn';
  }
}
