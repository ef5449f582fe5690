import type { RequestBody } from '../messages/request-body.ts';
import type { StreamEvent } from '../messages/types.ts';
import type { Transport } from '../transport/transport.ts';
import type { Learned } from './learned.ts';
import type { Target } from './target.ts';

export interface Call {
  target: Target;
  body: RequestBody;
  headers: Record<string, string>;
  /** For the upstream, from the gateway's host: a trace's, say. */
  addedHeaders?: Readonly<Record<string, string>>;
  query: string;
  signal: AbortSignal;
  send: Transport;
  /** Fields that upstreams have refused before, by provider and model: they are not sent again. */
  learned: Learned;
  inputTokens(): number;
  sessionId: string | undefined;
  requestId: string;
  /** Kinds of content that were left out of the request or the answer, because the other API has no equivalent. */
  dropped: Set<string>;
}

export type Reply =
  /** Anthropic's own bytes, to be passed on. */
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
  /** Counts tokens upstream; undefined when the upstream cannot. */
  countTokens?(call: Call): Promise<number | undefined>;
}
