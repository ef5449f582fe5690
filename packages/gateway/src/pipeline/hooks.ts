// The hooks by which the gateway asks and informs its host.

/** The sender of a request, as the host knows it. */
export interface Subject {
  keyId?: string;
  /** Whom the key belongs to, for hosts that know more than one. */
  tenant?: string;
  sessionId?: string;
}

/** The usage of one request, for accounts and metrics. */
export interface UsageRecord {
  request_id: string;
  subject: Subject;
  session_id: string | undefined;
  agent_id: string | undefined;
  parent_agent_id: string | undefined;
  /** The model name in the request. */
  requested_model: string;
  /** The provider that answered, and its name for the model. */
  provider: string | undefined;
  model: string | undefined;
  stream: boolean;
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  /** Dollars; undefined without a known price. */
  cost_usd: number | undefined;
  latency_ms: number;
  /** Until the first event; undefined when there was none. */
  ttft_ms: number | undefined;
  status: number;
  /** The type of the error that the client got, also in mid-stream; `aborted` when the client disconnected. */
  error: string | undefined;
}

/** A request that was read and is about to be routed. */
export interface StartedCall {
  request_id: string;
  subject: Subject;
  /** The model name in the request. */
  model: string;
  /** As the client sent them. */
  headers: Record<string, string>;
}

export interface LogEntry {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  request_id?: string;
  provider?: string;
  model?: string;
  status?: number;
}

export interface GatewayHooks {
  /** Authorizes a request. Without this hook every request is allowed, for hosts that have authorized it already. */
  authorize?: (headers: Record<string, string>) => Authorization | Promise<Authorization>;
  /**
   * Whether the sender may use a model, by the name in the request. Gives the sentence of a refusal. Without this hook
   * every model that is configured is allowed.
   */
  refuseModel?: (subject: Subject, model: string) => Promise<string | undefined>;
  /** Called with the client's error message when a request fails: agents do not show all of them. */
  onFailure?: (subject: Subject, failure: { status: number; message: string }) => void;
  /**
   * Called before a request goes to its provider. Returns headers for that, such as a trace's; `onUsage` gets the same
   * `request_id`.
   */
  onCall?: (call: StartedCall) => Record<string, string> | undefined;
  /** Called for every request when it has ended. */
  onUsage?: (record: UsageRecord) => void;
  /** Asked before each request; `estimate` returns the cost of its input, undefined without a known price. */
  budget?: {
    check(
      subject: Subject,
      estimate: () => Promise<number | undefined>,
    ): BudgetAnswer | Promise<BudgetAnswer>;
  };
  log?: (entry: LogEntry) => void;
}

export type Authorization = { ok: true; subject: Subject } | { ok: false };
/**
 * `release` is called when the request has ended, after `onUsage`. A refusal is a 402 that may be tried again, unless it has a
 * status of its own: then it is final until the time that it names.
 */
export type BudgetAnswer =
  | { ok: true; release?: () => void }
  | { ok: false; message: string; refused?: { status: number; retryAfterSeconds: number } };
