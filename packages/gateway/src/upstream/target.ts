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

/** One upstream that can serve a request: a provider with its key, and the model's name there. */
export interface Target {
  provider: string;
  dialect: Dialect;
  model: string;
  baseUrl: string;
  /** Sent with each request; the credential is among them. Never logged. */
  headers: Record<string, string>;
  /** Settings that a provider's own package needs (region, project, resource, key). */
  settings: Record<string, string>;
  facts: ModelFacts;
  /** Anthropic itself, the only one that gets billing and beta headers. */
  firstParty: boolean;
  /** Parameters that this upstream is known to refuse. */
  refuses: readonly string[];
  timeoutMs: number;
  idleTimeoutMs: number;
  maxConcurrency: number;
}
