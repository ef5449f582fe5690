/** Which way the arrows point: the packages, the floors of each, and what may not be imported where. */
import type { Import } from './import-graph.ts';

export interface PackageRules {
  /** Packages of ours that it may import: by name with all their subpaths, or one subpath. */
  mayImport: readonly string[];
  /**
   * Its floors, the lowest first: folders of `src` (with a slash) and files. A file imports from its own floor and
   * from those below; two entries of one floor import each other one way only.
   */
  floors: readonly (readonly string[])[];
}

export const PACKAGES: Readonly<Record<string, PackageRules>> = {
  'packages/protocol': {
    mayImport: [],
    floors: [
      [
        'access.ts',
        'anthropic-errors.ts',
        'constants.ts',
        'endpoints.ts',
        'reasons.ts',
        'same-machine.ts',
        'session-options.ts',
        'problems/',
      ],
      ['problems.ts'],
      ['schemas/'],
      ['events.ts'],
      ['frames.ts', 'transfer.ts'],
      ['routes/'],
      ['index.ts'],
    ],
  },
  'packages/client': {
    mayImport: ['claude-agent-protocol'],
    floors: [
      [
        'errors.ts',
        'defaults.ts',
        'agent-message.ts',
        'frames.ts',
        'sse-parser.ts',
        'line-diff.ts',
        'tool-calls.ts',
      ],
      ['http.ts', 'sse.ts'],
      ['caller.ts', 'turn.ts'],
      ['pages.ts', 'session.ts'],
      ['client.ts', 'stop-turns.ts', 'query-callbacks.ts'],
      ['query-options.ts'],
      ['query-permissions.ts'],
      ['query-run.ts'],
      ['query.ts'],
      ['index.ts'],
    ],
  },
  'packages/console': {
    mayImport: ['claude-agent-client', 'claude-agent-protocol'],
    floors: [
      ['vite.d.ts', 'styles.css', 'format/', 'text/'],
      ['api/'],
      ['ui/'],
      ['pages/inbox/'],
      ['pages/'],
      ['app/'],
      ['main.tsx', 'sw.ts'],
    ],
  },
  'packages/cli': {
    mayImport: ['claude-agent-client', 'claude-agent-protocol'],
    floors: [
      ['exit.ts', 'settings.ts', 'listing.ts', 'lazily.ts'],
      ['flag-values.ts'],
      ['option-flags.ts'],
      ['args.ts', 'prompt-input.ts'],
      ['term/'],
      ['view/', 'open-session.ts', 'context.ts'],
      ['usage-table.ts'],
      ['chat/'],
      ['commands/'],
      ['program.ts'],
      ['main.ts'],
    ],
  },
  'packages/demo-model': {
    mayImport: ['claude-agent-protocol/anthropic-errors'],
    floors: [
      ['conversation.ts', 'script.ts', 'gates.ts', 'tokens.ts'],
      ['report.ts', 'surroundings.ts', 'stream.ts', 'attempts.ts'],
      ['commands/', 'structured.ts', 'player.ts'],
      ['responder.ts'],
      ['model.ts'],
      ['server.ts'],
      ['index.ts'],
    ],
  },
  'packages/gateway': {
    mayImport: [
      'claude-agent-demo-model',
      'claude-agent-protocol/anthropic-errors',
      'claude-agent-protocol/same-machine',
    ],
    floors: [
      ['messages/'],
      ['config-error.ts', 'environment.ts'],
      ['transport/'],
      ['upstream/'],
      ['config.ts', 'api-keys.ts', 'aws-profile.ts'],
      ['providers/', 'models/'],
      ['routing/'],
      ['pipeline/'],
      ['http/'],
      ['gateway.ts'],
      ['main.ts', 'index.ts', 'testing/'],
    ],
  },
  'packages/server': {
    mayImport: ['claude-agent-demo-model', 'claude-agent-gateway', 'claude-agent-protocol'],
    floors: [
      ['errors.ts', 'in-order.ts', 'is-object.ts', 'logging.ts', 'secret-file.ts', 'version.ts', 'outbound/'],
      ['store/'],
      ['cluster/directory.ts'],
      ['cluster/ownership.ts'],
      ['events/'],
      ['cluster/'],
      ['access/'],
      ['agent/', 'permissions/', 'gateway/'],
      ['observe/', 'webhooks/'],
      ['push/'],
      ['nearest.ts', 'config-positions.ts', 'setting-descriptions.ts', 'setting-sources.ts'],
      ['shown-settings.ts'],
      ['node-config.ts'],
      [
        'config.ts',
        'database-config.ts',
        'outbound-config.ts',
        'sandbox-config.ts',
        'gateway-config.ts',
        'secrets-config.ts',
        'workspace-config.ts',
        'lock.ts',
        'banner.ts',
      ],
      ['workspaces/', 'secrets/'],
      // The machine is pure: it knows nothing of the actor and the process around it.
      ['sessions/usage.ts', 'sessions/views.ts'],
      ['sessions/machine/', 'sessions/machine.ts'],
      ['sessions/'],
      ['http/'],
      ['move/'],
      ['base.ts'],
      ['node.ts'],
      ['config-check.ts'],
      ['server.ts', 'open-sandbox.ts', 'start-error.ts', 'backup.ts', 'keys-command.ts'],
      ['main.ts', 'index.ts'],
      ['bin.ts'],
    ],
  },
};

/** The one folder that may import the agent SDK. */
const SDK = '@anthropic-ai/claude-agent-sdk';
const SDK_HOME = 'packages/server/src/agent/claude/';

/**
 * What a program that only sends requests loads: zod costs 70 ms cold, so no chain of imports from
 * here reaches it. Types do not count, nor does what is loaded later.
 */
export const WITHOUT_ZOD: readonly string[] = [
  'packages/protocol/src/access.ts',
  'packages/protocol/src/anthropic-errors.ts',
  'packages/protocol/src/constants.ts',
  'packages/protocol/src/endpoints.ts',
  'packages/protocol/src/problems.ts',
  'packages/protocol/src/reasons.ts',
  'packages/protocol/src/same-machine.ts',
  'packages/protocol/src/session-options.ts',
  'packages/client/src/index.ts',
  'packages/cli/src/program.ts',
];

/** The package that a file belongs to, as its folder. */
const homeOf = (file: string, packages: typeof PACKAGES): string | undefined =>
  Object.keys(packages).find((folder) => file.startsWith(`${folder}/`));

/** The floor of a file, and the entry of the table that it belongs to. */
export function placeOf(file: string, packages = PACKAGES): { floor: number; entry: string } | undefined {
  const home = homeOf(file, packages);
  if (home === undefined) return undefined;
  const inside = file.slice(`${home}/src/`.length);
  const belongs = (entry: string): boolean =>
    entry.endsWith('/') ? inside.startsWith(entry) : inside === entry;
  for (const [floor, entries] of (packages[home]?.floors ?? []).entries()) {
    const entry = entries.find(belongs);
    if (entry !== undefined) return { floor, entry };
  }
  return undefined;
}

/** What is wrong with an import; undefined when nothing is. */
export function problemOf(
  { from, to }: Pick<Import, 'from' | 'to'>,
  packages = PACKAGES,
): string | undefined {
  const home = homeOf(from, packages);
  if (home === undefined) return undefined;
  if (to === SDK && !from.startsWith(SDK_HOME)) return `only ${SDK_HOME} may import the agent SDK`;
  if (to.startsWith('claude-agent-')) {
    const allowed = packages[home]?.mayImport.some((name) => to === name || to.startsWith(`${name}/`));
    return allowed ? undefined : `${home} may not import ${to}`;
  }
  if (!to.startsWith('packages/')) return undefined;
  if (!to.startsWith(`${home}/`)) return 'packages import each other by name only';
  const [upper, lower] = [placeOf(from, packages), placeOf(to, packages)];
  const unknown = upper ? (lower ? undefined : to) : from;
  if (unknown !== undefined) return `scripts/import-rules.ts has no floor for ${unknown}; add it`;
  return upper && lower && lower.floor > upper.floor ? 'the arrow points up' : undefined;
}

/** The chain of imports by which a file that must not load zod does so all the same. */
export function waysToZod(imports: readonly Import[], starts: readonly string[] = WITHOUT_ZOD): string[][] {
  const next = Map.groupBy(
    imports.filter(({ kind }) => kind === 'value'),
    ({ from }) => from,
  );
  return starts.flatMap((start) => {
    const seen = new Set([start]);
    const ways = [[start]];
    for (const way of ways) {
      for (const { to } of next.get(way.at(-1) ?? '') ?? []) {
        const file = fileOf(to);
        if (file === 'zod') return [[...way, file]];
        if (seen.has(file)) continue;
        seen.add(file);
        ways.push([...way, file]);
      }
    }
    return [];
  });
}

/** The file behind a package of ours; other names stay as they are. */
function fileOf(name: string): string {
  const [, folder, subpath = 'index'] = /^claude-agent-([a-z-]+)(?:\/(.+))?$/.exec(name) ?? [];
  return folder === undefined ? name : `packages/${folder}/src/${subpath}.ts`;
}
