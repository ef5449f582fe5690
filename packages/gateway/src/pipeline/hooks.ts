// What the host of a gateway is asked and told.

/** Who a request is from, as the host of the gateway knows it. */
export interface Subject {
  keyId?: string;
  sessionId?: string;
}

/** One request, for accounts and metrics. */
export interface UsageRecord {
  request_id: string;
  subject: Subject;
  session_id: string | undefined;
  agent_id: string | undefined;
  parent_agent_id: string | undefined;
  /** The name that the client asked for. */
  requested_model: string;
  /** Who answered, and the model's name there. */
  provider: string | undefined;
  model: string | undefined;
  stream: boolean;
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  /** Dollars; undefined when nobody knows a price. */
  cost_usd: number | undefined;
  latency_ms: number;
  /** Until the first event; undefined when there was none. */
  ttft_ms: number | undefined;
  status: number;
  /** The type of the error that the client got, also in the middle of a stream; `aborted` when it went away. */
  error: string | undefined;
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
  /** Who may use the gateway. Without it everybody may: for hosts that have asked already. */
  authorize?: (headers: Record<string, string>) => Authorization | Promise<Authorization>;
  /** Told why a request was not answered, in the words that the client gets: agents keep many of them to themselves. */
  onFailure?: (subject: Subject, failure: { status: number; message: string }) => void;
  /** Told of every request once it is over. */
  onUsage?: (record: UsageRecord) => void;
  /** Asked before each request; `estimate` gives what its input will cost, undefined when nobody knows a price. */
  budget?: {
    check(
      subject: Subject,
      estimate: () => Promise<number | undefined>,
    ): BudgetAnswer | Promise<BudgetAnswer>;
  };
  log?: (entry: LogEntry) => void;
}

export type Authorization = { ok: true; subject: Subject } | { ok: false };
/** `release` is called once the request is over and `onUsage` was told of it. */
export type BudgetAnswer = { ok: true; release?: () => void } | { ok: false; message: string };
