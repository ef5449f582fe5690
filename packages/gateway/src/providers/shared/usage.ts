import type { Usage } from '../../messages/types.ts';

/**
 * OpenAI includes cached tokens in the prompt's count, Anthropic does not. If they exceed the prompt (Grok at Azure,
 * OpenRouter's cache writes), they cannot be included.
 */
export function inputUsage(prompt: number, cached: number, written: number): Partial<Usage> {
  let input = prompt;
  for (const count of [cached, written]) if (count <= input) input -= count;
  return { input_tokens: input, cache_read_input_tokens: cached, cache_creation_input_tokens: written };
}
