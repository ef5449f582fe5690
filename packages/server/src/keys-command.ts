import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CreateKey, type Key, LIMITS, PatchKey } from 'claude-agent-protocol';
import { endpoints } from 'claude-agent-protocol/endpoints';
import { z } from 'zod';
import { createAuditIds } from './access/audit-ids.ts';
import { changedFields, createKeys, keyView } from './access/keys.ts';
import { LOCAL } from './access/principal.ts';
import { ConfigError, homeOf } from './config.ts';
import { readDatabase } from './database-config.ts';
import { AppError, messageOf } from './errors.ts';
import { takeHome } from './lock.ts';
import type { KeyRecord } from './store/keys.ts';
import { openPostgresStore } from './store/postgres.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';

const USAGE = `Usage: claude-agent-server keys create --name NAME [--role ROLE] [--tenant NAME] [--expires-in-days N] [--budget-usd N]
                                        [--policy NAME]
                                        [--limit NAME=N]...
       claude-agent-server keys list [--tenant NAME]
       claude-agent-server keys update ID [--name NAME] [--expires-in-days N|none] [--budget-usd N|none]
                                          [--limit NAME=N]... (or --limit none)
       claude-agent-server keys rotate ID [--keep-seconds N]
       claude-agent-server keys revoke ID

Makes, changes and revokes the keys that open the server. The secret of a key is printed once, by create and rotate.
A key keeps its role, tenant and policy. The limits that update gives replace all that the key had.

  --role ROLE         viewer, approver, user (default), admin or operator
  --tenant NAME       whose sessions it may see (default: default)
  --limit NAME=N      what it may use, repeatable: ${LIMITS.join(', ')}
  --policy NAME       what its sessions may do: one of "policies" in the configuration
  --keep-seconds N    so long the old secret works too (default 0)

Where: a server that runs on this home is asked, as the key in AGENT_SERVER_API_KEY; otherwise the database is opened.
  --url URL           ask this server
  --home DIR          the server's own folder (default: AGENT_SERVER_HOME, or ~/.claude-agent-server)
  --database-url URL  open this PostgreSQL database (default: AGENT_SERVER_DATABASE_URL), also while servers run on it`;

const OPTIONS = {
  name: { type: 'string' },
  role: { type: 'string' },
  tenant: { type: 'string' },
  'expires-in-days': { type: 'string' },
  'budget-usd': { type: 'string' },
  limit: { type: 'string', multiple: true },
  policy: { type: 'string' },
  'keep-seconds': { type: 'string' },
  url: { type: 'string' },
  home: { type: 'string' },
  'database-url': { type: 'string' },
  help: { type: 'boolean' },
} as const;

type Env = NodeJS.ProcessEnv;

/** The commands, over HTTP or on the database. */
interface Commands {
  create(request: z.input<typeof CreateKey>): Promise<Key & { key: string }>;
  list(tenant: string | undefined): Promise<Key[]>;
  update(id: string, patch: z.input<typeof PatchKey>): Promise<Key>;
  rotate(id: string, keepSeconds: number): Promise<Key & { key: string }>;
  revoke(id: string): Promise<Key>;
}

/**
 * `keys`: makes, lists, rotates and revokes keys.
 * @returns what to print
 * @throws ConfigError with a sentence for the user
 */
export async function keys(argv: string[], env: Env): Promise<string> {
  const { values, positionals } = readArguments(argv);
  const [action = '', id] = positionals;
  if (values.help || action === 'help') return USAGE;
  const needed = ['update', 'rotate', 'revoke'].includes(action) ? 2 : 1;
  if (!['create', 'list', 'update', 'rotate', 'revoke'].includes(action) || positionals.length !== needed) {
    throw new ConfigError(USAGE);
  }
  const number = (name: 'expires-in-days' | 'budget-usd' | 'keep-seconds'): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (text.trim() === '' || !(Number(text) >= 0))
      throw new ConfigError(`--${name} takes a number, not "${text}".`);
    return Number(text);
  };
  /** The same, or nothing any more. */
  const numberOrNone = (name: 'expires-in-days' | 'budget-usd'): number | null | undefined =>
    values[name] === 'none' ? null : number(name);
  const run = async (commands: Commands): Promise<string> => {
    if (action === 'list') return table(await commands.list(values.tenant));
    if (action === 'update') {
      // Strict, as the server reads it: a role that is given must not be passed over.
      const patch = check(PatchKey.strict(), 'changed', {
        name: values.name,
        role: values.role,
        tenant: values.tenant,
        policy: values.policy,
        expires_in_days: numberOrNone('expires-in-days'),
        budget_usd: numberOrNone('budget-usd'),
        limits: values.limit?.join() === 'none' ? {} : limitsIn(values.limit),
      });
      return table([await commands.update(id ?? '', patch)]);
    }
    if (action === 'revoke') return `Revoked ${(await commands.revoke(id ?? '')).key_id}.`;
    const made =
      action === 'rotate'
        ? await commands.rotate(id ?? '', number('keep-seconds') ?? 0)
        : await commands.create(
            check(CreateKey, 'made', {
              name: values.name,
              role: values.role,
              tenant: values.tenant,
              policy: values.policy,
              expires_in_days: number('expires-in-days'),
              budget_usd: number('budget-usd'),
              limits: limitsIn(values.limit),
            }),
          );
    // The secret alone on standard output's last line: scripts read it.
    return `${made.key_id}: ${made.role} of the tenant ${made.tenant}. The secret, shown this once:\n${made.key}`;
  };
  try {
    const url = await running(values, env);
    return url === undefined ? await onDatabase(values, env, run) : await run(overHttp(url, env));
  } catch (error) {
    if (error instanceof AppError) throw new ConfigError(error.message);
    throw error;
  }
}

type Values = ReturnType<typeof readArguments>['values'];

function readArguments(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new ConfigError(`${messageOf(error)}\n\n${USAGE}`);
  }
}

/** Limits from the flags, each as `name=number`. Names and ranges are checked with the rest of the key. */
function limitsIn(given: readonly string[] | undefined): Record<string, number> | undefined {
  if (given === undefined) return undefined;
  const pairs = given.map((text) => {
    const [, name, number] = /^(\w+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (name === undefined)
      throw new ConfigError(`--limit takes NAME=NUMBER, not "${text}". Names: ${LIMITS.join(', ')}.`);
    return [name, Number(number)] as const;
  });
  return Object.fromEntries(pairs);
}

/** @param what cannot be done with the key, if this is wrong */
function check<T>(schema: z.ZodType<T>, what: string, given: Record<string, unknown>): T {
  const flags = Object.entries(given).filter(([, value]) => value !== undefined);
  const parsed = schema.safeParse(Object.fromEntries(flags));
  if (!parsed.success) throw new ConfigError(`The key cannot be ${what}:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The address of a server to ask: the one that was named, or one that runs on this home. */
async function running(values: Values, env: Env): Promise<string | undefined> {
  if (values.url !== undefined) return values.url;
  // Several processes may write there.
  if (databaseIn(values, env)) return undefined;
  const file = join(homeIn(values, env), 'server.url');
  const url = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
  if (url === undefined) return undefined;
  const answers = await fetch(url + endpoints.health.path).then(
    ({ ok }) => ok,
    () => false,
  );
  return answers ? url : undefined;
}

const databaseIn = (values: Values, env: Env) =>
  readDatabase({ database_url: values['database-url'] ?? (env.AGENT_SERVER_DATABASE_URL || undefined) });

const homeIn = ({ home }: Values, env: Env): string =>
  homeOf(home === undefined ? undefined : resolve(env.INIT_CWD ?? process.cwd(), home), env);

async function onDatabase(
  values: Values,
  env: Env,
  run: (commands: Commands) => Promise<string>,
): Promise<string> {
  const database = databaseIn(values, env);
  if (database) {
    const prepared = database.pooler === 'none';
    return using(
      await openPostgresStore({ url: database.url, connections: 1, prepared, listen: false }),
      run,
    );
  }
  const home = await takeHome(homeIn(values, env));
  try {
    return await using(openSqliteStore(home.file('server.db')), run);
  } finally {
    home.release();
  }
}

/** Who can open the database is its operator. */
async function using(store: Store, run: (commands: Commands) => Promise<string>): Promise<string> {
  const made = createKeys({
    table: store.keys,
    configured: [],
    cacheMs: 0,
    onError(error) {
      throw error;
    },
  });
  const shown = ({ record, secret }: Awaited<ReturnType<typeof made.create>>) => ({
    ...keyView(record),
    key: secret,
  });
  /** Before its user hears of it, as when a server does it. */
  const note = async (
    action: 'createKey' | 'patchKey' | 'rotateKey' | 'revokeKey',
    { id, tenant, role }: KeyRecord,
    changed: Record<string, string> = {},
  ): Promise<void> => {
    const now = new Date();
    await store.audit.append([
      {
        id: createAuditIds()(now.getTime()),
        at: now.toISOString(),
        tenant,
        actorKind: 'command',
        actor: userName(),
        role: LOCAL.role,
        actorTenant: LOCAL.tenant,
        address: null,
        userAgent: null,
        requestId: null,
        action,
        method: endpoints[action].method,
        sessionId: null,
        params: { key_id: id, ...(action === 'createKey' && { role }), ...changed },
        status: 200,
        problem: null,
        count: 1,
      },
    ]);
  };
  try {
    return await run({
      async create(request) {
        const created = await made.create(LOCAL, CreateKey.parse(request));
        await note('createKey', created.record);
        return shown(created);
      },
      list: async (tenant) =>
        (await made.list(LOCAL, { tenant, limit: Number.MAX_SAFE_INTEGER })).map(keyView),
      async update(id, patch) {
        const record = await made.patch(LOCAL, id, patch);
        await note('patchKey', record, changedFields(patch));
        return keyView(record);
      },
      async rotate(id, keepSeconds) {
        const rotated = await made.rotate(LOCAL, id, keepSeconds);
        await note('rotateKey', rotated.record);
        return shown(rotated);
      },
      async revoke(id) {
        const record = await made.revoke(LOCAL, id);
        await note('revokeKey', record);
        return keyView(record);
      },
    });
  } finally {
    await store.close();
  }
}

/** Who runs this; a container's user may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

function overHttp(url: string, env: Env): Commands {
  const secret = env.AGENT_SERVER_API_KEY;
  const call = async <T>(
    { method, path }: { method: string; path: string },
    { query = '', body }: { query?: string; body?: unknown } = {},
  ): Promise<T> => {
    const response = await fetch(url.replace(/\/+$/, '') + path + query, {
      method,
      headers: {
        ...(secret && { authorization: `Bearer ${secret}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new ConfigError(`The server at ${url} does not answer: ${messageOf(error)}.`);
    });
    const answer = (await response.json()) as { detail?: string };
    if (!response.ok) {
      const hint =
        response.status === 401
          ? ' Put a key with the role admin or operator into AGENT_SERVER_API_KEY.'
          : '';
      throw new ConfigError(`${answer.detail ?? `HTTP ${response.status}`}${hint}`);
    }
    return answer as T;
  };
  const of = (endpoint: { method: string; path: string }, id: string) => ({
    ...endpoint,
    path: endpoint.path.replace('{key_id}', encodeURIComponent(id)),
  });
  return {
    create: (request) => call(endpoints.createKey, { body: request }),
    async list(tenant) {
      const found: Key[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const query = new URLSearchParams({ ...(tenant && { tenant }), ...(cursor && { cursor }) });
        const page: { keys: Key[]; next_cursor: string | null } = await call(endpoints.listKeys, {
          query: `?${query}`,
        });
        found.push(...page.keys);
        cursor = page.next_cursor;
      }
      return found;
    },
    update: (id, patch) => call(of(endpoints.patchKey, id), { body: patch }),
    rotate: (id, keepSeconds) => call(of(endpoints.rotateKey, id), { body: { keep_seconds: keepSeconds } }),
    revoke: (id) => call(of(endpoints.revokeKey, id)),
  };
}

/** One line for each key, in columns. */
function table(found: readonly Key[]): string {
  if (found.length === 0)
    return 'There is no key that was made here. Those of the configuration are not listed.';
  const rows = [
    ['ID', 'TENANT', 'ROLE', 'NAME', 'STATE', 'LAST USED'],
    ...found.map((key) => [
      key.key_id,
      key.tenant,
      key.role,
      key.name,
      stateOf(key),
      key.last_used_at ?? 'never',
    ]),
  ];
  const widths = rows[0]?.map((_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function stateOf({ revoked_at: revoked, expires_at: expires }: Key): string {
  if (revoked !== null) return `revoked ${revoked}`;
  if (expires === null) return 'good';
  return Date.parse(expires) > Date.now() ? `good until ${expires}` : `expired ${expires}`;
}
