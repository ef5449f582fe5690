import { createHash } from 'node:crypto';
import type { JsonObject, MessagesRequest } from '../../messages/types.ts';
import type { ModelFacts } from '../../upstream/target.ts';

/** The schema for the answer, from either of the fields that clients use. */
export function answerSchema(request: MessagesRequest): JsonObject | undefined {
  const format = request.output_config?.format ?? request.output_format;
  return format?.type === 'json_schema' ? format.schema : undefined;
}

/** Limited to the model's maximum: the agent asks every model for 32,000. */
export function maxTokens(request: MessagesRequest, facts: ModelFacts): number | undefined {
  if (request.max_tokens === undefined) return undefined;
  return facts.output ? Math.min(request.max_tokens, facts.output) : request.max_tokens;
}

/** OpenAI accepts cache keys of up to 64 characters. */
export function cacheKey(sessionId: string): string {
  return sessionId.length <= 64 ? sessionId : createHash('sha256').update(sessionId).digest('base64url');
}

/** The assistant message between tool results and a user's text, for templates that require one. */
export const bridge = 'I have the results.';
