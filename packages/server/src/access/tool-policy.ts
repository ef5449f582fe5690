import { PermissionMode, SessionNetwork, type SessionOptions } from 'claude-agent-protocol';
import { z } from 'zod';
import type { NetworkSetting } from '../outbound/network.ts';

/** Rules in Claude Code's form: a tool (`Bash`), or a use of it (`Bash(git push *)`, `mcp__box__shout`). */
const Rules = z.array(z.string().min(1));

/**
 * What the agents of a server, a tenant or a key may do. A part that is left out limits nothing. Where several policies
 * apply, all of them do: lists of what is allowed must each contain it, and rules add up (`deny` before `ask` before
 * `allow`).
 */
export const ToolPolicy = z.strictObject({
  /** Run without a question. */
  allow: Rules.optional(),
  /** Are asked about, also where the session would let them run. */
  ask: Rules.optional(),
  /** Never run. */
  deny: Rules.optional(),
  /** The permission mode that leaves most to the agent. */
  max_permission_mode: PermissionMode.optional(),
  /** Names of models; `*` stands for any characters. */
  models: z.array(z.string().min(1)).optional(),
  /** MCP servers: addresses with everything below their path, and whole commands. */
  mcp_servers: z
    .array(
      z.union([
        z.strictObject({ url: z.url() }),
        z.strictObject({
          command: z.string().min(1),
          args: z.array(z.string()).optional(),
          /** Names of variables that callers may set: one such as NODE_OPTIONS decides what runs. */
          env: z.array(z.string().min(1)).optional(),
        }),
      ]),
    )
    .optional(),
  /** Folders that sessions may work in or below; the first is the default. */
  roots: z.array(z.string().min(1)).min(1).optional(),
  /** Whether sessions may run what their folder brings, if the configuration allows it. */
  trust_project: z.boolean().optional(),
  /** What agents reach at most. Needs the sandbox. */
  network: SessionNetwork.optional(),
  /** Secrets of the configuration that sessions may use; `*` stands for any characters. */
  secrets: z.array(z.string().min(1)).optional(),
});
export type ToolPolicy = z.output<typeof ToolPolicy>;

type McpServer = NonNullable<SessionOptions['mcp_servers']>[string];

/** All policies that apply to a session, as one. */
export interface Restrictions {
  rules: Readonly<Record<'allow' | 'ask' | 'deny', readonly string[]>>;
  allowsMode(mode: PermissionMode): boolean;
  /** The mode of a session that names none: as wanted, or the highest that is allowed. */
  modeFor(wanted: PermissionMode): PermissionMode;
  /** @param model undefined: the agent's own choice */
  allowsModel(model: string | undefined): boolean;
  /** The models that are allowed, for a sentence. */
  models: readonly string[];
  /** undefined when there is no list: the configuration decides. */
  allowsServer(server: McpServer): boolean | undefined;
  /** Lists of folders, in each of which a session must be. */
  roots: readonly (readonly string[])[];
  trustProject: boolean;
  /** Networks, within each of which a session must stay. */
  networks: readonly NetworkSetting[];
  /** @param name of a secret of the configuration */
  allowsSecret(name: string): boolean;
}

/** From the mode that leaves least to the agent to the one that leaves everything. */
const BY_FREEDOM: readonly PermissionMode[] = [
  'plan',
  'dontAsk',
  'default',
  'acceptEdits',
  'auto',
  'bypassPermissions',
];
const freedom = (mode: PermissionMode): number => BY_FREEDOM.indexOf(mode);

/** Puts the policies that apply together. */
export function combine(policies: readonly ToolPolicy[]): Restrictions {
  const given = <K extends keyof ToolPolicy>(key: K): NonNullable<ToolPolicy[K]>[] =>
    policies.flatMap((policy) => {
      const value = policy[key];
      return value === undefined ? [] : [value as NonNullable<ToolPolicy[K]>];
    });
  const highest = given('max_permission_mode').toSorted((a, b) => freedom(a) - freedom(b))[0];
  const models = given('models').map((names) => ({ names, patterns: names.map(patternOf) }));
  const secrets = given('secrets').map((names) => names.map(patternOf));
  const servers = given('mcp_servers');
  const allowsMode = (mode: PermissionMode): boolean =>
    highest === undefined || freedom(mode) <= freedom(highest);
  return {
    rules: { allow: given('allow').flat(), ask: given('ask').flat(), deny: given('deny').flat() },
    allowsMode,
    modeFor: (wanted) => (highest === undefined || allowsMode(wanted) ? wanted : highest),
    allowsModel: (model) =>
      models.every(({ patterns }) => model !== undefined && patterns.some((pattern) => pattern.test(model))),
    models: models.flatMap(({ names }) => names),
    allowsServer: (server) =>
      servers.length === 0
        ? undefined
        : servers.every((list) => list.some((entry) => isServer(entry, server))),
    roots: given('roots'),
    trustProject: !given('trust_project').includes(false),
    networks: given('network'),
    allowsSecret: (name) => secrets.every((patterns) => patterns.some((pattern) => pattern.test(name))),
  };
}

const patternOf = (glob: string): RegExp =>
  new RegExp(`^${glob.replaceAll(/[^\w*]/g, '\\$&').replaceAll('*', '.*')}$`);

function isServer(entry: NonNullable<ToolPolicy['mcp_servers']>[number], server: McpServer): boolean {
  if ('command' in entry) {
    return (
      'command' in server &&
      server.command === entry.command &&
      JSON.stringify(server.args ?? []) === JSON.stringify(entry.args ?? []) &&
      Object.keys(server.env ?? {}).every((name) => entry.env?.includes(name))
    );
  }
  if (!('url' in server)) return false;
  // Compared by their parts: as texts, https://host would allow https://host.elsewhere.
  const [allowed, asked] = [new URL(entry.url), new URL(server.url)];
  const folder = ({ pathname }: URL): string => pathname.replace(/\/*$/, '/');
  return allowed.origin === asked.origin && folder(asked).startsWith(folder(allowed));
}
