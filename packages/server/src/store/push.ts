import type { Role } from 'claude-agent-protocol';

/** The server's own keys for Web Push (VAPID, RFC 8292), the same on all nodes. */
export interface VapidKeys {
  /** The point on P-256 in base64url, as browsers take it. */
  publicKey: string;
  /** The private key as JWK. */
  privateJwk: string;
}

/** A browser that is told of what waits for an answer. */
export interface PushSubscriptionRecord {
  tenant: string;
  id: string;
  /** Who subscribed: the id of a key, of an identity provider's user, or `local`. */
  owner: string;
  /** The role of the owner when it subscribed. */
  role: Role;
  /** Where its push service takes messages. */
  endpoint: string;
  /** The browser's public key and secret, in base64url: messages are encrypted for it (RFC 8291). */
  p256dh: string;
  auth: string;
  /** What the user calls the device. */
  label: string | null;
  createdAt: string;
  /** null: as long as its key is good. */
  expiresAt: string | null;
  /** It is told of events behind this cursor. */
  since: number;
}

/** Browsers that are told of requests; what is sent to them is in the outbox of the webhooks. */
export interface PushStore {
  /** The keys of this store; these, when it has none yet. */
  vapid(made: VapidKeys): Promise<VapidKeys>;
  /**
   * Adds one, or renews the one of this id.
   * @param cursor where reading the events begins, if nobody was told of any before
   */
  put(subscription: PushSubscriptionRecord, cursor: number): Promise<void>;
  get(tenant: string, id: string): Promise<PushSubscriptionRecord | undefined>;
  /** An owner's, oldest first. */
  list(tenant: string, owner: string): Promise<PushSubscriptionRecord[]>;
  /** Those of all tenants. */
  all(): Promise<PushSubscriptionRecord[]>;
  /** With what is to be sent to it. @returns false when there is no such subscription */
  remove(tenant: string, id: string): Promise<boolean>;
}
