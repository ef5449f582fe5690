import type { PermissionRequest } from 'claude-agent-protocol';
import { settlementTexts as texts } from '../../text/inbox.ts';

/** What became of a request, as its row and the event `permission.resolved` tell it. */
export type Settlement = Pick<PermissionRequest, 'state' | 'reason' | 'resolved_by' | 'resolved_at'> & {
  message?: string | null;
};

/** Who reads it. */
interface Reader {
  kind: 'local' | 'key';
  id: string;
}

/** Who answered and how, or why nobody did: one plain sentence, the same for whom was quicker and who was late. */
export function sentenceOf(
  kind: PermissionRequest['kind'],
  { state, reason, resolved_by: by, message }: Settlement,
  reader: Reader,
): string {
  if (reason !== 'answered' && reason !== null) return texts.reasons[reason];
  const who = nameOf(by, reader);
  const isAnswer = state === 'allowed' && (kind === 'question' || kind === 'elicitation');
  const said = isAnswer ? texts.answered(who) : state === 'allowed' ? texts.allowed(who) : texts.denied(who);
  return message ? `${said}: ${texts.message(message)}` : said;
}

function nameOf(by: Settlement['resolved_by'], { kind, id }: Reader): string {
  if (by === null) return texts.somebody;
  if (by.kind === 'local') return kind === 'local' ? texts.you : texts.local;
  return kind === 'key' && by.id === id ? texts.you : (by.name ?? by.id);
}
