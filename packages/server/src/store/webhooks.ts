/** Where a tenant wants to be told of events. */
export interface WebhookRecord {
  tenant: string;
  id: string;
  url: string;
  /** The types that it wants. */
  events: readonly string[];
  /** Signs what is sent. */
  secret: string;
  description: string | null;
  status: 'enabled' | 'disabled';
  createdAt: string;
  createdBy: string | null;
  /** It is told of events behind this cursor. */
  since: number;
}

export type DeliveryState = 'pending' | 'delivered' | 'failed';

/** Something that is sent to a webhook, or was. */
export interface DeliveryRecord {
  tenant: string;
  webhookId: string;
  id: string;
  type: string;
  sessionId: string | null;
  body: string;
  state: DeliveryState;
  attempts: number;
  /** Milliseconds since 1970: when it is due. */
  dueAt: number;
  /** The HTTP status of the last attempt; null when there was no answer. */
  status: number | null;
  error: string | null;
  createdAt: string;
  /** When it was delivered, or given up. */
  settledAt: string | null;
}

export type NewDelivery = Pick<
  DeliveryRecord,
  'tenant' | 'webhookId' | 'id' | 'type' | 'sessionId' | 'body' | 'createdAt'
>;

/** How an attempt ended. */
export type Attempt = { status: number | null; error: string | null } & (
  | { state: 'delivered' | 'failed'; at: string }
  | { state: 'pending'; retryInMs: number }
);

/** Webhooks, and what is sent to them: an outbox that any node of a cluster may take from. */
export interface WebhookStore {
  /** @param cursor where reading the events begins, if this is the first webhook */
  insert(hook: WebhookRecord, cursor: number): Promise<void>;
  get(tenant: string, id: string): Promise<WebhookRecord | undefined>;
  /** A tenant's, oldest first. */
  list(tenant: string): Promise<WebhookRecord[]>;
  /** Those of all tenants that want to be told. */
  enabled(): Promise<WebhookRecord[]>;
  /** @returns false when there is no such webhook */
  update(
    tenant: string,
    id: string,
    set: Partial<Pick<WebhookRecord, 'url' | 'events' | 'description' | 'status'>>,
  ): Promise<boolean>;
  /** With its deliveries. @returns false when there is no such webhook */
  remove(tenant: string, id: string): Promise<boolean>;

  /** Up to here every event has been looked at; undefined before the first webhook. */
  cursor(): Promise<number | undefined>;
  /**
   * Notes that the events up to `to` have been looked at, and adds what they give to send, in one transaction.
   * @returns false when another node was quicker: nothing was added
   */
  advance(from: number, to: number, deliveries: readonly NewDelivery[]): Promise<boolean>;
  /** Adds something to send that comes from no event. */
  enqueue(delivery: NewDelivery): Promise<void>;
  /** Takes deliveries that are due, the longest due first. Nobody else gets them for `leaseMs`. */
  claim(limit: number, leaseMs: number): Promise<DeliveryRecord[]>;
  settle(delivery: Pick<DeliveryRecord, 'tenant' | 'webhookId' | 'id'>, attempt: Attempt): Promise<void>;
  /** Sends it once more, whatever became of it. @returns undefined when there is no such delivery */
  again(tenant: string, webhookId: string, id: string): Promise<DeliveryRecord | undefined>;
  /** Newest first. `before`: the last one of the page before. */
  deliveries(query: {
    tenant: string;
    webhookId: string;
    state?: DeliveryState | undefined;
    before?: { createdAt: string; id: string } | undefined;
    limit: number;
  }): Promise<DeliveryRecord[]>;
  /** Removes what tells of a session that was erased. */
  forget(sessionId: string): Promise<void>;
  /** Removes what was settled before this time. */
  prune(before: string): Promise<void>;
}
