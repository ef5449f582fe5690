import type { SharedV4ProviderOptions } from '@ai-sdk/provider';
import { isObject } from '../../messages/is-object.ts';
import { openOrigin } from '../../messages/origin.ts';
import type { ContentBlock } from '../../messages/types.ts';
import type { AiSdkOptions } from './options.ts';
import { isClaude } from './thinking.ts';

// The way back of what a provider gave with its thoughts, texts and calls.

/** What goes back with a thought; undefined when the thought is somebody else's. */
export function thoughtOptions(
  signature: string | undefined,
  options: AiSdkOptions,
): SharedV4ProviderOptions | undefined {
  if (options.withoutThinking || !signature) return undefined;
  const origin = openOrigin(signature);
  if (origin) {
    if (origin.from !== options.provider) return undefined;
    if (isObject(origin.data)) return origin.data as SharedV4ProviderOptions;
    return options.dialect === 'cohere' ? {} : undefined;
  }
  // Anthropic's own signature, which holds on all its platforms. A look-alike's is refused, and then left out.
  if (!isClaude(options) || options.facts.reasoning === false) return undefined;
  return options.dialect === 'amazon-bedrock' ? { bedrock: { signature } } : { anthropic: { signature } };
}

/** What the provider wants back with the text before it (Gemini's thought signatures). */
export function textMetadata(data: string, provider: string): SharedV4ProviderOptions | undefined {
  const origin = openOrigin(data);
  if (origin?.from !== provider || origin.part !== 'text' || !isObject(origin.data)) return undefined;
  return origin.data as SharedV4ProviderOptions;
}

/** The same for one that Anthropic keeps to itself; Bedrock has it in another form, and the turn goes without. */
export function redactedOptions(data: string, options: AiSdkOptions): SharedV4ProviderOptions | undefined {
  const native = options.dialect === 'google-vertex-anthropic' && openOrigin(data) === undefined;
  if (!native || options.withoutThinking || options.facts.reasoning === false) return undefined;
  return { anthropic: { redactedData: data } };
}

/** What the provider wants back with a tool call (Gemini's thought signatures), kept in redacted thinking. */
export function toolMetadata(
  blocks: readonly ContentBlock[],
  provider: string,
): Map<string, SharedV4ProviderOptions> {
  const kept = new Map<string, SharedV4ProviderOptions>();
  for (const block of blocks) {
    if (block.type !== 'redacted_thinking') continue;
    const origin = openOrigin(block.data);
    if (origin?.from === provider && origin.tool && isObject(origin.data)) {
      kept.set(origin.tool, origin.data as SharedV4ProviderOptions);
    }
  }
  return kept;
}
