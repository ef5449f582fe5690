/**
 * The demo's one token estimator: about four characters a token.
 *
 * It walks the parsed request once and never serialises it again: on the 46 KB request that Claude Code sends
 * that costs a few tens of microseconds, where a second JSON.stringify costs several times as much. Claude Code
 * compacts a conversation by these numbers, so what is not text (images, documents) counts a flat sum: its
 * base64 would look like a full context window.
 */

const CHARACTERS_PER_TOKEN = 4;
/** What Anthropic charges for an image of about a megapixel; also used for a document. */
const TOKENS_PER_ATTACHMENT = 1_500;

/** Estimated tokens of any JSON value: strings, numbers and keys, with attachments at a flat rate. */
export function estimateTokens(...values: unknown[]): number {
  let characters = 0;
  for (const value of values) characters += countCharacters(value);
  return Math.max(1, Math.ceil(characters / CHARACTERS_PER_TOKEN));
}

function countCharacters(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return value === undefined ? 0 : 4;
  let characters = 2;
  if (Array.isArray(value)) {
    for (const item of value) characters += countCharacters(item);
    return characters;
  }
  const record = value as Record<string, unknown>;
  if (isAttachment(record)) return TOKENS_PER_ATTACHMENT * CHARACTERS_PER_TOKEN;
  for (const key in record) characters += key.length + 4 + countCharacters(record[key]);
  return characters;
}

function isAttachment(record: Record<string, unknown>): boolean {
  if (record.type !== 'image' && record.type !== 'document') return false;
  const source = record.source as Record<string, unknown> | undefined;
  return typeof source === 'object' && source !== null && source.type !== 'text';
}
