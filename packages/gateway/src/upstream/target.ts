/** The families of upstream protocols that the gateway speaks. */
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

/** Those that are left to the AI SDK's packages. */
export type AiSdkDialect = Exclude<Dialect, 'anthropic' | 'openai-chat' | 'openai-responses' | 'demo'>;

/** What the catalogue or the configuration knows about a model. */
export interface ModelFacts {
  context?: number;
  output?: number;
  /** False: known not to be read (the configuration says so, or the provider did). Undefined is not known, and sent. */
  images?: boolean;
  pdf?: boolean;
  reasoning?: boolean;
  /** The model behind a name that does not say it: an inference profile at Bedrock. */
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

/** What requests of Chat Completions differ in from one provider to the other. */
interface ChatSettings {
  /** OpenAI's own servers (or Azure's): newer parameters, stricter rules. */
  openai: boolean;
  /** Azure's older addresses want one. */
  apiVersion: string | undefined;
  thinking: ThinkingStyle;
  /** Ids of tool calls have to be nine letters or digits. */
  shortIds: boolean;
}

export interface VertexSettings {
  project: string | undefined;
  location: string | undefined;
  /** The file of a service account. */
  credentials: string | undefined;
}

/** An AWS access key, with which requests are signed. */
export interface AccessKey {
  id: string;
  secret: string;
  sessionToken: string | undefined;
}

/** What the requests of each dialect need besides address and headers. */
interface DialectSettings {
  anthropic: {
    /** Anthropic itself, the only one that gets billing and beta headers. */
    firstParty: boolean;
  };
  'openai-chat': ChatSettings;
  'openai-responses': Record<never, never>;
  google: { key: string | undefined };
  'google-vertex': VertexSettings & {
    key: string | undefined;
    /** One of the open models there, which speak Chat Completions. */
    openModels: boolean;
  };
  'google-vertex-anthropic': VertexSettings;
  'amazon-bedrock': { region: string; key: string | undefined; accessKey: AccessKey | undefined };
  cohere: { key: string | undefined };
  demo: Record<never, never>;
}

/** The part of a target that is the same in every dialect. */
export interface TargetBase {
  provider: string;
  model: string;
  baseUrl: string;
  /** Sent with each request; the credential is among them. Never logged. */
  headers: Record<string, string>;
  facts: ModelFacts;
  /** Parameters that this upstream is known to refuse. */
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
