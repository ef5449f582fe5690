import type { Usage } from '../../messages/types.ts';

/**
 * Anthropic counts cached tokens beside `input_tokens`, OpenAI within. Where they are more than the prompt (Grok at
 * Azure, OpenRouter's cache writes) they cannot be within it, and are taken as counted beside.
 */
export function inputUsage(prompt: number, cached: number, written: number): Partial<Usage> {
  let input = prompt;
  for (const count of [cached, written]) if (count <= input) input -= count;
  return { input_tokens: input, cache_read_input_tokens: cached, cache_creation_input_tokens: written };
}
