import type { SharedV4ProviderOptions } from '@ai-sdk/provider';
import { isObject } from '../../messages/is-object.ts';
import { decodeProvenance } from '../../messages/provenance.ts';
import type { ContentBlock } from '../../messages/types.ts';
import type { AiSdkOptions } from './options.ts';
import { isClaude } from './thinking.ts';

// Returns to a provider what came with its thoughts, texts and calls.

/** The metadata to send back with a thought; undefined for another provider's thought. */
export function thoughtOptions(
  signature: string | undefined,
  options: AiSdkOptions,
): SharedV4ProviderOptions | undefined {
  if (options.withoutThinking || !signature) return undefined;
  const provenance = decodeProvenance(signature);
  if (provenance) {
    if (provenance.from !== options.provider) return undefined;
    if (isObject(provenance.data)) return provenance.data as SharedV4ProviderOptions;
    return options.dialect === 'cohere' ? {} : undefined;
  }
  // Anthropic's own signature, which is valid on all its platforms. A foreign one is refused, and left out of the
  // retry.
  if (!isClaude(options) || options.facts.reasoning === false) return undefined;
  return options.dialect === 'amazon-bedrock' ? { bedrock: { signature } } : { anthropic: { signature } };
}

/** The metadata to send back with the preceding text (Gemini's thought signatures). */
export function textMetadata(data: string, provider: string): SharedV4ProviderOptions | undefined {
  const provenance = decodeProvenance(data);
  if (provenance?.from !== provider || provenance.part !== 'text' || !isObject(provenance.data))
    return undefined;
  return provenance.data as SharedV4ProviderOptions;
}

/** The same for redacted thinking. Bedrock has another format for it, and gets the turn without. */
export function redactedOptions(data: string, options: AiSdkOptions): SharedV4ProviderOptions | undefined {
  const native = options.dialect === 'google-vertex-anthropic' && decodeProvenance(data) === undefined;
  if (!native || options.withoutThinking || options.facts.reasoning === false) return undefined;
  return { anthropic: { redactedData: data } };
}

/** The metadata to send back with tool calls (Gemini's thought signatures), kept in redacted thinking. */
export function toolMetadata(
  blocks: readonly ContentBlock[],
  provider: string,
): Map<string, SharedV4ProviderOptions> {
  const kept = new Map<string, SharedV4ProviderOptions>();
  for (const block of blocks) {
    if (block.type !== 'redacted_thinking') continue;
    const provenance = decodeProvenance(block.data);
    if (provenance?.from === provider && provenance.tool && isObject(provenance.data)) {
      kept.set(provenance.tool, provenance.data as SharedV4ProviderOptions);
    }
  }
  return kept;
}
