import type { Dialect, ThinkingStyle } from '../../upstream/target.ts';
import { anthropic } from './anthropic.ts';
import { azure } from './azure.ts';
import { bedrock } from './bedrock.ts';
import { cohere } from './cohere.ts';
import { compatible } from './compatible.ts';
import { google } from './google.ts';
import { mistral } from './mistral.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';
import type { Profile, Profiles } from './profile.ts';
import { vertex } from './vertex.ts';

const profiles: Profiles = {
  ...anthropic,
  ...openai,
  ...azure,
  ...cohere,
  ...google,
  ...vertex,
  ...bedrock,
  ...mistral,
  ...ollama,
  ...compatible,
};

/** Aliases of providers without a profile. */
const catalogueAliases: Readonly<Record<string, string>> = {
  dashscope: 'alibaba',
  friendliai: 'friendli',
  github_copilot: 'github-copilot',
  moonshot: 'moonshotai',
  novita: 'novita-ai',
};

const aliases: ReadonlyMap<string, string> = new Map([
  ...Object.entries(catalogueAliases),
  ...Object.entries(profiles).flatMap(([id, profile]) =>
    (profile.aliases ?? []).map((alias): [string, string] => [alias, id]),
  ),
]);

const none: Profile = {};

/** The ids of all providers that have a profile. */
export const profiledIds: readonly string[] = Object.keys(profiles);

/** The profile of a provider; empty for most. */
export function profileOf(id: string): Profile {
  return Object.hasOwn(profiles, id) ? (profiles[id] ?? none) : none;
}

/** The id behind an alias; undefined for an unknown alias. */
export const canonicalId = (alias: string): string | undefined => aliases.get(alias);

/** Whether an address is that of OpenAI's, or Anthropic's, own service. */
export const isHomeOf = (id: 'openai' | 'anthropic', baseUrl: string | undefined): boolean =>
  baseUrl !== undefined && baseUrl === profileOf(id).baseUrl;

/** Families of providers with their own way of asking for thinking, by id or prefix. */
const thinkingStyles: readonly (readonly [RegExp, ThinkingStyle])[] = [
  [/^(deepseek|moonshotai|kimi|zai|zhipuai|xiaomi|volcengine|doubao|bytedance)(-|$)/, 'switch'],
  [/^openrouter$/, 'openrouter'],
  [/^alibaba(-|$)/, 'qwen'],
];

export function thinkingStyleOf(id: string): ThinkingStyle {
  return thinkingStyles.find(([pattern]) => pattern.test(id))?.[1] ?? 'effort';
}

/** The protocol behind each of the AI SDK's packages that the catalogue names. */
const dialectOfPackage: Readonly<Record<string, Dialect>> = {
  '@ai-sdk/anthropic': 'anthropic',
  '@ai-sdk/openai': 'openai-responses',
  '@ai-sdk/cohere': 'cohere',
  '@ai-sdk/google': 'google',
  '@ai-sdk/google-vertex': 'google-vertex',
  '@ai-sdk/google-vertex/anthropic': 'google-vertex-anthropic',
  '@ai-sdk/amazon-bedrock': 'amazon-bedrock',
};

/** The dialect of a package; Chat Completions for all others (`@ai-sdk/openai-compatible`, Bedrock's `mantle`). */
export function packageDialect(npm: string | undefined): Dialect {
  return (npm !== undefined && dialectOfPackage[npm]) || 'openai-chat';
}
