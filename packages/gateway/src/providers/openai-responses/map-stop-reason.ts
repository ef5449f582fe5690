import type { StopReason } from '../../messages/types.ts';

/** Responses has no stop reason, only a status and why it is incomplete. */
export function mapStopReason(status: string | undefined, reason: string | undefined): StopReason {
  if (status !== 'incomplete') return 'end_turn';
  if (reason === 'content_filter') return 'refusal';
  return 'max_tokens';
}
