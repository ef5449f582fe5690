import type { RequestBody } from '../messages/request-body.ts';
import type { StreamEvent } from '../messages/types.ts';
import type { Transport } from '../transport/transport.ts';
import type { Learned } from './learned.ts';

/** The families of upstream protocols that the gateway speaks. */
export type Dialect =
  | 'anthropic'
  | 'openai-chat'
  | 'openai-responses'
  | 'google'
  | 'google-vertex'
  | 'google-vertex-anthropic'
  | 'amazon-bedrock'
  | 'cohere'
  | 'demo';

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

export interface Call {
  target: Target;
  body: RequestBody;
  headers: Record<string, string>;
  query: string;
  signal: AbortSignal;
  send: Transport;
  /** What a provider refused before, by provider and model: not sent again. */
  learned: Learned;
  inputTokens(): number;
  sessionId: string | undefined;
  requestId: string;
  /** Kinds of things that were left out of the request or the answer, because the other side has no form for them. */
  dropped: Set<string>;
}

export type Reply =
  /** Anthropic's own bytes, to be handed on. */
  | {
      kind: 'bytes';
      status: number;
      headers: Record<string, string>;
      body: AsyncIterable<Uint8Array>;
      stream: boolean;
    }
  /** Events of one message, batched as they came from the network. */
  | { kind: 'events'; batches: AsyncIterable<StreamEvent[]> };

export interface Provider {
  send(call: Call): Promise<Reply>;
  /** Counts tokens upstream; undefined when this upstream cannot. */
  countTokens?(call: Call): Promise<number | undefined>;
}
