import { define, RETRYABLE } from './define.ts';

const administrator = (setting: string): string =>
  `Ask its administrator to set ${setting} in the configuration file.`;

// Type aliases and not interfaces: the emitted declaration of `problems` spells them out, and nothing needs exporting.
type Outside = {
  cwd: string;
  roots: readonly string[];
  /** The session was created when the roots were others. */
  resuming: boolean;
};

type Gone = {
  cwd: string;
  how: string;
  /** One of the session's further folders. */
  fromOptions: boolean;
};

type Unavailable = {
  why: string;
  /** It was to be made for a new session. */
  creating: boolean;
};

/** What a caller may not do, and where sessions may not work. */
export const accessProblems = {
  // who may call, and from where
  unauthorized: define(
    401,
    'The API key is missing or unknown',
    () =>
      'The API key is missing or unknown. Send one that this server knows as "Authorization: Bearer …" or "x-api-key: …".',
  ),
  sign_in_failed: define(
    401,
    'Nobody can sign in with this key',
    () =>
      'This key cannot sign in: it is unknown, revoked or expired, or it is a token of one session. Use a key of this server.',
  ),
  sign_in_over: define(
    401,
    'The sign-in cannot be renewed',
    () => 'This sign-in is over, and the identity provider does not renew it. Sign in again.',
  ),
  provider_unreachable: define(
    503,
    'The identity provider does not answer',
    () =>
      'The identity provider does not answer. Try again; if that goes on, tell the operator of this server.',
    RETRYABLE,
  ),
  forbidden: define(
    403,
    "An agent's own key opens the gateway only",
    () => 'The key of an agent process opens the gateway only. Use an API key of this server.',
  ),
  role_insufficient: define(
    403,
    "The key's role does not allow the request",
    ({ role, roles }: { role: string; roles: readonly string[] }) =>
      `The role "${role}" does not allow this. It needs a key with the role ${roles.join(', ')}.`,
  ),
  token_of_one_session: define(
    403,
    'A session token opens the routes of its session only',
    () =>
      'This token opens the routes of one session only. Use a key for everything else; POST /keys or "claude-agent-server keys create" makes one.',
  ),
  key_not_found: define(
    404,
    'No such key',
    ({ id }: { id: string }) =>
      `There is no key ${id} here that could be changed. GET /keys lists them; those of the configuration are changed there.`,
  ),
  policy_unknown: define(
    422,
    'The configuration has no such policy',
    ({ name }: { name: string }) =>
      `There is no policy "${name}" in "policies" of the configuration. Add it there, or name another.`,
  ),
  key_beyond_own: define(
    403,
    'A key cannot give more than it has',
    ({ what }: { what: string }) =>
      `A key cannot give ${what}: only an operator's can. Ask the operator of this server.`,
  ),
  agent_not_allowed: define(
    403,
    'The request comes from an agent of this server',
    () =>
      'This request comes from an agent of this server, or from a command that one started. Agents may not use the API that controls them. To let a program in, set AGENT_SERVER_API_KEY and give it the key.',
  ),
  peer_gone: define(
    403,
    'The connection closed before its owner was known',
    () =>
      'The connection was closed before its owner was known. Send the request again and wait for the answer.',
  ),
  host_not_allowed: define(
    403,
    'The server does not serve this host name',
    ({ host }: { host: string }) =>
      `This server does not serve the name "${host}". Use 127.0.0.1 or localhost, or let it serve this name: start it with an API key, and name it in "allowed_hosts" if that is set.`,
  ),
  origin_not_allowed: define(
    403,
    'Web pages of another origin may not call the server',
    ({ origin }: { origin: string }) =>
      `Web pages of ${origin} may not call this server. Call it from a program or a page of its own origin, or name the origin in "allowed_origins".`,
  ),

  // what the configuration does not allow
  permission_mode_forbidden: define(
    403,
    'The configuration forbids this permission mode',
    () =>
      `This server does not allow bypassPermissions. ${administrator('"allow_bypass_permissions": true')}`,
  ),
  bypass_needs_sandbox: define(
    403,
    'Claude Code refuses bypassPermissions to root',
    () =>
      'The server runs as root, and Claude Code refuses bypassPermissions to root. Run the server as another user or, in a sandbox that may be broken, start it with IS_SANDBOX=1.',
  ),
  trust_forbidden: define(
    403,
    'The configuration does not let sessions trust their folder',
    () =>
      `This server does not let sessions trust their folder, because its hooks, settings, MCP servers and programs would run without asking. ${administrator('"allow_trust_project": true')}`,
  ),
  unasked_not_allowed: define(
    403,
    'The configuration does not let this run without asking',
    ({ what, setting }: { what: string; setting: string }) =>
      `This server does not let ${what} run without asking. ${administrator(setting)}`,
  ),
  policy_forbids: define(
    403,
    'The policy of the caller, its tenant or the server does not allow this',
    ({ what, allowed }: { what: string; allowed: readonly string[] }) =>
      `The policy that applies here does not allow ${what}. ${allowed.length > 0 ? `It allows: ${allowed.join(', ')}.` : 'Leave it out, or ask who runs the server for another policy.'}`,
  ),
  network_not_limitable: define(
    422,
    'The server cannot limit the network of a session',
    ({ why }: { why: string }) =>
      `This server cannot limit what the agent of a session reaches: ${why} Leave "network" out, or ask the operator of the server.`,
  ),
  secrets_not_possible: define(
    422,
    'The session cannot have secrets',
    ({ why }: { why: string }) => `The session cannot have "secrets": ${why}`,
  ),
  secret_not_found: define(
    422,
    'The configuration has no such secret',
    ({ name }: { name: string }) =>
      `The configuration has no secret "${name}". Give a "value" with its "hosts", or ask the operator of the server to name it in "secrets".`,
  ),
  secret_unavailable: define(
    409,
    'A secret of the session cannot be had',
    ({ name, why }: { name: string; why: string }) =>
      `The session's agent cannot start, because its secret ${name} cannot be had: ${why} Or give the secrets again: POST /sessions with "resume_session_id" and "secrets".`,
  ),
  callback_not_allowed: define(
    403,
    'The configuration does not allow this callback URL',
    ({ url }: { url: string }) =>
      `This server does not call ${url}. Leave the url out and answer through the session's events. ${administrator('"allow_callback_urls": "loopback", "public" or "any"')}`,
  ),
  error_max_budget_usd: define(
    402,
    'The budget is spent',
    ({ whose, spent, limit }: { whose: string; spent: number; limit: number }) =>
      `The budget of ${whose} is spent: $${spent.toFixed(4)} of $${limit.toFixed(2)}.`,
  ),

  // folders
  cwd_not_allowed: define(
    403,
    'The folder is outside the allowed roots',
    ({ cwd, roots, resuming }: Outside) =>
      resuming
        ? `The session's folder ${cwd} is now outside the allowed roots. Start the server with --root for it, or create a session in one of: ${roots.join(', ')}.`
        : `The folder ${cwd} is outside the allowed roots. Start the server with --root for it, or choose a folder in one of: ${roots.join(', ')}.`,
  ),
  cwd_not_found: define(
    422,
    'The folder does not exist',
    ({ cwd }: { cwd: string }) => `The folder ${cwd} does not exist. Create it first.`,
  ),
  cwd_unreadable: define(
    403,
    'The folder cannot be read',
    ({ cwd, why }: { cwd: string; why: string }) =>
      `The server cannot look into the folder ${cwd} (${why}). Choose another, or let the server's user read it.`,
  ),
  cwd_not_accessible: define(
    403,
    "The tenant's agents may not use the folder",
    ({ cwd, tenant, uid, what }: { cwd: string; tenant: string; uid: number; what: 'read' | 'write' }) =>
      `The agents of the tenant "${tenant}" run as the user ${uid}, which may not ${what === 'read' ? 'read' : 'write to'} the folder ${cwd}. Choose another, or let the operator give it to that user (chown, or setfacl -m u:${uid}:rwx).`,
  ),
  cwd_gone: define(409, "The session's folder is gone", ({ cwd, how, fromOptions }: Gone) =>
    fromOptions
      ? `The folder ${cwd} of the session's options ${how}, so its agent cannot start. Put the folder back, or create a session without it.`
      : `The session's folder ${cwd} ${how}, so its agent cannot start. Put the folder back, or create a session in another.`,
  ),
  cwd_differs: define(
    409,
    'The conversation belongs to another folder',
    ({ cwd, asked }: { cwd: string; asked: string }) =>
      `This conversation works in ${cwd} and cannot continue in ${asked}. Leave "cwd" out, or create a new session there.`,
  ),

  // workspaces
  git_url_not_allowed: define(
    403,
    'The server does not clone from this address',
    ({ url, allowed }: { url: string; allowed: readonly string[] }) =>
      `This server does not clone ${url}. It clones from ${allowed.join(', ')}. ${administrator('"workspaces": {"git_urls": […]}')}`,
  ),
  workspace_unavailable: define(
    409,
    'The workspace cannot be prepared or restored',
    ({ why, creating }: Unavailable) =>
      creating
        ? `The workspace cannot be prepared: ${why} No session was created.`
        : `The session's workspace cannot be restored: ${why} Nothing was lost: send the request again when that is solved.`,
    RETRYABLE,
  ),
  workspace_too_large: define(
    409,
    'The workspace is larger than the server keeps',
    ({ limit, creating }: { limit: number; creating: boolean }) =>
      `The workspace is larger than ${limit} bytes. ${
        creating
          ? 'No session was created.'
          : 'Its last state is not saved, but still in the folder: remove what is not needed there.'
      } ${administrator('a larger "workspaces": {"max_bytes": …}')}`,
  ),
  workspace_not_saved: define(
    409,
    'The workspace cannot be saved',
    ({ why }: { why: string }) =>
      `The workspace could not be saved: ${why} Its last state is still in the folder, and is saved when that is solved.`,
    RETRYABLE,
  ),
  snapshot_not_found: define(
    404,
    'No such snapshot',
    ({ id }: { id: string }) =>
      `There is no snapshot ${id} here. POST /sessions/{session_id}/snapshot makes one.`,
  ),
};
