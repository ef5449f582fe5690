/** The upstream protocols that the gateway speaks. */
export const dialects = [
  'anthropic',
  'openai-chat',
  'openai-responses',
  'google',
  'google-vertex',
  'google-vertex-anthropic',
  'amazon-bedrock',
  'cohere',
] as const;

/** One of them, or the built-in demo model. */
export type Dialect = (typeof dialects)[number] | 'demo';

/** The dialects that the AI SDK's packages speak for the gateway. */
export type AiSdkDialect = Exclude<Dialect, 'anthropic' | 'openai-chat' | 'openai-responses' | 'demo'>;

/** Facts about a model, from the catalogue or the configuration. */
export interface ModelFacts {
  context?: number;
  output?: number;
  /** False when the model is known not to read images (by configuration or refusal). When undefined, they are sent. */
  images?: boolean;
  pdf?: boolean;
  reasoning?: boolean;
  /** The model behind a name that does not tell, such as an inference profile at Bedrock. */
  baseModel?: string;
  /** The provider wants `reasoning_content` back on tool turns. */
  echoReasoning?: boolean;
}

/**
 * How Chat Completions ask for thinking:
 * - `effort`: OpenAI's `reasoning_effort`
 * - `switch`: `thinking: {type: "enabled" | "disabled"}` (DeepSeek, Kimi, GLM, MiMo, Doubao)
 * - `openrouter`: `reasoning: {effort | max_tokens | enabled}`
 * - `qwen`: `enable_thinking` and `thinking_budget` (Alibaba's own API)
 */
export type ThinkingStyle = 'effort' | 'switch' | 'openrouter' | 'qwen';

/** The differences between providers of Chat Completions. */
interface ChatSettings {
  /** OpenAI's own servers, or Azure's: newer parameters, stricter rules. */
  openai: boolean;
  /** Required by Azure's older addresses. */
  apiVersion: string | undefined;
  thinking: ThinkingStyle;
  /** Ids of tool calls must be nine letters or digits. */
  shortIds: boolean;
}

export interface VertexSettings {
  project: string | undefined;
  location: string | undefined;
  /** The file of a service account. */
  credentials: string | undefined;
}

/** The AWS access key that signs requests. */
export interface AccessKey {
  id: string;
  secret: string;
  sessionToken: string | undefined;
}

/** The settings of each dialect, besides address and headers. */
interface DialectSettings {
  anthropic: {
    /** Anthropic itself, which alone gets billing and beta headers. */
    firstParty: boolean;
  };
  'openai-chat': ChatSettings;
  'openai-responses': Record<never, never>;
  google: { key: string | undefined };
  'google-vertex': VertexSettings & {
    key: string | undefined;
    /** An open model, which speaks Chat Completions. */
    openModels: boolean;
  };
  'google-vertex-anthropic': VertexSettings;
  'amazon-bedrock': { region: string; key: string | undefined; accessKey: AccessKey | undefined };
  cohere: { key: string | undefined };
  demo: Record<never, never>;
}

/** The part of a target that all dialects share. */
export interface TargetBase {
  provider: string;
  model: string;
  baseUrl: string;
  /** Sent with each request, the credential included. Never logged. */
  headers: Record<string, string>;
  facts: ModelFacts;
  /** Parameters that the upstream is known to refuse. */
  refuses: readonly string[];
  timeoutMs: number;
  idleTimeoutMs: number;
  maxConcurrency: number;
}

/** One upstream that can serve a request: a provider with its key, and the model's name there. */
export type Target<D extends Dialect = Dialect> = {
  [Each in D]: TargetBase & { dialect: Each; settings: DialectSettings[Each] };
}[D];

/** The settings of a target for the provider of its dialect. */
export function settingsOf<D extends Dialect>(target: Target, dialect: D): DialectSettings[D] {
  if (target.dialect !== dialect) {
    throw new Error(`a target for ${target.dialect} was given to the provider for ${dialect}`);
  }
  return target.settings as DialectSettings[D];
}
