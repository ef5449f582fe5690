import { define, RETRYABLE } from './define.ts';

const NOT_READY = {
  'shutting down': 'The server is shutting down. Ask another one, or wait for the restart',
  store: 'The store does not answer. Look at the log of the server, and check the disk of the store',
  stuck: 'An event of a session could not be stored; the server retries. Check the disk of the store',
};

/** What is wrong with the server itself. */
export const serverProblems = {
  internal_error: define(
    500,
    'A bug in the server',
    () => 'The server made a mistake. Its log says more; please report it.',
  ),
  storage_failed: define(
    503,
    'The store cannot be used',
    ({ why, writing }: { why: string; writing: boolean }) =>
      writing
        ? `The server cannot write to its store: ${why}. Everything it accepted before is safe; try again later.`
        : `The server cannot use its store: ${why}. Try again later.`,
    RETRYABLE,
  ),
  server_stopping: define(
    503,
    'The server is shutting down',
    ({ kept }: { kept: boolean }) =>
      kept
        ? 'The server shut down. The message is kept and runs when the server is back.'
        : 'The server is shutting down. Try again in a moment.',
    RETRYABLE,
  ),
  session_moved: define(
    503,
    'Another node owns the session now',
    ({ id, kept }: { id: string; kept: boolean }) =>
      kept
        ? `Session ${id} moved to another node, which goes on with it. Read the turn there; do not send the message again.`
        : `Session ${id} moved to another node of the cluster. Send the request again.`,
    RETRYABLE,
  ),
  webhook_not_found: define(
    404,
    'No such webhook',
    ({ id }: { id: string }) => `There is no webhook ${id} here. GET /webhooks lists those of this tenant.`,
  ),
  delivery_not_found: define(
    404,
    'No such delivery',
    ({ id }: { id: string }) =>
      `There is no delivery ${id} of this webhook. GET /webhooks/{webhook_id}/deliveries lists those of the last seven days.`,
  ),
  webhook_configured: define(
    409,
    'The webhook stands in the configuration',
    ({ id }: { id: string }) =>
      `The webhook ${id} stands in "webhooks" of the server's configuration. Change it there, and start the server again.`,
  ),
  webhook_url_not_allowed: define(
    403,
    'The configuration does not allow this address of a webhook',
    ({ url }: { url: string }) =>
      `This server sends nothing to ${url}. Name an address on the internet. Ask its administrator to set "allow_webhook_urls": "loopback" or "any" in the configuration file.`,
  ),
  too_many_webhooks: define(
    409,
    'The tenant has as many webhooks as it may have',
    ({ limit }: { limit: number }) =>
      `This tenant has ${limit} webhooks, the maximum. Delete one, or give one of them more events.`,
  ),
  push_off: define(
    409,
    'Web Push is off',
    () =>
      'This server sends no push messages. Its administrator switches them on with "push_contact" in the configuration file.',
  ),
  push_keys_invalid: define(
    422,
    'These are not the keys of a browser',
    () =>
      'Nothing can be encrypted for these keys. Send "endpoint" and "keys" of a PushSubscription as the browser gives them (toJSON).',
  ),
  push_url_not_allowed: define(
    403,
    'The configuration does not allow this address of a push service',
    ({ host }: { host: string }) =>
      `This server sends no push messages to ${host}. They go to https addresses on the internet; "allow_push_urls" in the configuration file allows others.`,
  ),
  push_subscription_not_found: define(
    404,
    'No such push subscription',
    ({ id }: { id: string }) =>
      `You have no push subscription ${id}. GET /push/subscriptions lists yours; those that a browser has ended are gone.`,
  ),
  too_many_push_subscriptions: define(
    409,
    'The caller has as many push subscriptions as it may have',
    ({ limit }: { limit: number }) =>
      `You have ${limit} push subscriptions, the maximum. Delete one of a device that you do not use.`,
  ),
  agents_busy: define(
    503,
    'Every agent process is busy',
    () =>
      'Every agent process of this server is busy, and this request needs one. Try again in a moment; `max_live_agents` in the configuration sets their number.',
    RETRYABLE,
  ),
  no_tenant_uid: define(
    503,
    'No user is left for the agents of another tenant',
    ({ tenant, count }: { tenant: string; count: number }) =>
      `All ${count} users of "sandbox.tenant_uids" belong to other tenants, so agents of the tenant "${tenant}" cannot start. Let the operator raise "count".`,
  ),
  own_agents_busy: define(
    429,
    "Every agent process is busy with the caller's own sessions",
    ({ limit }: { limit: number; retryAfterSeconds: number }) =>
      `All ${limit} agent processes of this server work for sessions of the same key, and this request needs one. Try again when one of its turns has ended, or interrupt or close a session.`,
    RETRYABLE,
  ),
  queue_full: define(
    503,
    'Too many messages are queued',
    ({ limit }: { limit: number }) =>
      `${limit} messages are queued, the maximum of this server (max_queued_turns). Send the message again later.`,
    RETRYABLE,
  ),
  owner_unreachable: define(
    503,
    'The node that runs the session does not answer',
    () =>
      'The node that runs this session does not answer. Another one takes the session over within seconds: send the request again, a message with its `Idempotency-Key` of before.',
    RETRYABLE,
  ),
  folder_elsewhere: define(
    409,
    "The session's folder is on a node that does not run",
    ({ id, cwd, node }: { id: string; cwd: string; node: string }) =>
      `The folder ${cwd} of session ${id} is on the node ${node}, which does not run or is about to end. Nothing was lost: start that node again, then send the request again.`,
    RETRYABLE,
  ),
  console_not_built: define(
    503,
    'The console is not built',
    () => 'The files of the console are missing. Run "npm run build:console" once, and reload.',
  ),
  not_ready: define(
    503,
    'The server cannot take work now; `detail` says why',
    ({ why }: { why: keyof typeof NOT_READY }) => `${NOT_READY[why]}.`,
    RETRYABLE,
  ),
};
