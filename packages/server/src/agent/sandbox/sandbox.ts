import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { admit, covers } from '../../outbound/allowed-hosts.ts';
import { type Network, narrow } from '../../outbound/network.ts';
import type { StartOptions } from '../agent.ts';
import { placeholdersOf } from '../secrets/placeholders.ts';
import type { Trust } from '../secrets/trust.ts';
import { type DiskWatch, watchDisk } from './disk.ts';
import type { Egress, Origin } from './egress.ts';
import { EGRESS_PORT, type Engine, type SandboxCommand, type SandboxStart } from './engine.ts';
import type { SandboxLimits } from './limits.ts';
import type { Mount } from './mounts.ts';
import { clearMountPoints, openPrivateFolders, removePrivateFolders } from './private-folders.ts';
import type { TenantUsers } from './tenant-users.ts';

const run = promisify(execFile);

/** Whose agent starts, and where. */
export type Guest = Pick<
  StartOptions,
  'sessionId' | 'tenant' | 'conversationId' | 'cwd' | 'options' | 'model' | 'secrets'
> & {
  /** Where the process starts, if it comes to its folder later: an empty folder. */
  startsIn?: string;
};

/** The sandbox of one agent process. */
export interface Confinement {
  /**
   * Call it when the program is started, and `started` right afterwards.
   * @throws Error when a folder is not what it was
   */
  wrap(program: string, args: readonly string[], start: SandboxStart): SandboxCommand;
  started(pid: number | undefined): void;
  /** Takes what comes over the channel. */
  take(handle: unknown): void;
  /** Settles when the sandbox has its way out. */
  ready: Promise<void>;
  /** Settles with a sentence when the sandbox has to end because it takes more than it may. */
  exceeded: Promise<string>;
  /** Everything in it has ended. */
  leave(): Promise<void>;
}

/** Makes sandboxes for agents. */
export interface Sandbox {
  /** Agents can have less network than the machine. */
  isolatesNetwork: boolean;
  /** The user of each tenant; undefined where all agents run as the server's. */
  users?: TenantUsers | undefined;
  /** Variables that an agent in a sandbox gets. */
  environment(guest: Pick<Guest, 'options' | 'secrets'>): Record<string, string>;
  enter(guest: Guest): Promise<Confinement>;
  /** Removes what a session's sandboxes have left. */
  erase(sessionId: string): Promise<void>;
  /** Closes what is left of their connections. */
  close(): Promise<void>;
}

export interface SandboxDeps {
  engine: Engine;
  /** The server's folder for what is private to sessions. */
  folder: string;
  /** Environment of the server. */
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  /** The agent's configuration folder. */
  config: string;
  /** Further paths that agents may read, or write. */
  read: readonly string[];
  write: readonly string[];
  /** Folders and files of the server that no agent may see, even in a folder where it works. */
  hidden: { folders: readonly string[]; files: readonly string[] };
  /** What agents reach, unless their session has less. */
  network: Network;
  /** The way out of sandboxes that do not share the machine's network; without one, all of them do. */
  egress?: Egress | undefined;
  /** What programs of agents with secrets trust. */
  trust: Trust;
  limits: SandboxLimits;
  users?: TenantUsers | undefined;
  /** The name of a folder among the agent's folders of transcripts. */
  projectOf(cwd: string): string;
  usesLogin(guest: Guest): boolean;
  onError(error: unknown): void;
}

/** Certificates that the environment names. */
const CERTIFICATES = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

/** Sandboxes around the whole agent process and everything that it starts. */
export function createSandbox(deps: SandboxDeps): Sandbox {
  const { env, hidden } = deps;
  let identity: Promise<string> | undefined;
  const stateFile = env.CLAUDE_CONFIG_DIR
    ? join(deps.config, '.claude.json')
    : join(deps.home, '.claude.json');
  const machine = [
    ...CERTIFICATES.flatMap((name): Mount[] => (env[name] ? [{ kind: 'read', path: env[name] }] : [])),
    ...deps.read.map((path): Mount => ({ kind: 'read', path })),
    ...deps.write.map((path): Mount => ({ kind: 'write', path })),
    ...hidden.folders.map((path): Mount => ({ kind: 'hide', path })),
    ...hidden.files.map((path): Mount => ({ kind: 'blank', path })),
  ];

  const networkOf = ({ options }: Pick<Guest, 'options'>): Network => narrow(deps.network, options.network);

  /** The way out of a sandbox with that network, if it has one of its own. */
  const wayOut = (guest: Guest): { egress: Egress; origin: Origin } | undefined => {
    const { sessionId, secrets = [] } = guest;
    const network = networkOf(guest);
    if (network.mode === 'open') {
      if (secrets.length === 0) return undefined;
      throw new Error('A session with secrets needs a limited network.');
    }
    const { egress } = deps;
    if (!deps.engine.isolatesNetwork)
      throw new Error(`The network of a session cannot be limited: ${deps.engine.version} has no way to.`);
    if (!egress)
      throw new Error('The network of a session cannot be limited: the gateway has no credential.');
    const hosts = network.mode === 'limited' ? network.hosts : [];
    // Whether a name may lead into a private network is for the operator to say, not for who narrows that.
    const most = deps.network.mode === 'limited' ? deps.network.hosts : hosts;
    return {
      egress,
      origin: {
        sessionId,
        secrets,
        admit: (host, port) => (covers(hosts, host, port) ? admit(most, host, port) : undefined),
      },
    };
  };

  return {
    isolatesNetwork: deps.engine.isolatesNetwork,
    users: deps.users,
    environment(guest) {
      const { mode } = networkOf(guest);
      const { secrets = [] } = guest;
      return {
        // The agent refuses to run as root without questions unless it is told that it is in a sandbox.
        IS_SANDBOX: '1',
        TMPDIR: '/tmp',
        ...(mode !== 'open' && environmentOfEgress(mode === 'limited')),
        ...placeholdersOf(secrets),
        ...(secrets.length > 0 && deps.trust.environment),
      };
    },
    async enter(guest) {
      const { sessionId, conversationId, cwd, options, startsIn } = guest;
      const way = wayOut(guest);
      const user = await deps.users?.of(guest.tenant);
      const hasSecrets = (guest.secrets ?? []).length > 0;
      const writable = [...new Set([cwd, ...(options.additional_directories ?? [])])];
      const certificates = hasSecrets ? (await deps.trust.open()).file : undefined;
      const own = await openPrivateFolders(
        {
          ...deps,
          stateFile,
          gitIdentity() {
            identity ??= readGitIdentity(env);
            return identity;
          },
        },
        {
          sessionId,
          conversationId,
          project: deps.projectOf(cwd),
          usesLogin: deps.usesLogin(guest),
          user,
          folders: writable,
        },
      );
      const mounts: Mount[] = [
        ...machine,
        ...own.mounts,
        ...writable.map((path): Mount => ({ kind: 'work', path })),
        ...(certificates === undefined
          ? []
          : [{ kind: 'read', path: deps.trust.path, source: certificates } as const]),
        ...(startsIn === undefined ? [] : [{ kind: 'folder', path: startsIn } as const]),
      ];
      await clearMountPoints(mounts, user);
      const room = await deps.engine.open({
        sessionId,
        mounts,
        cwd: startsIn ?? cwd,
        limits: deps.limits,
        user,
        accept: way && ((socket) => way.egress.accept(socket, way.origin)),
      });
      const exceeded = Promise.withResolvers<string>();
      let disk: DiskWatch | undefined;
      return {
        ...room,
        started(pid) {
          room.started();
          if (pid !== undefined) own.register(pid);
          const { diskBytes: limitBytes } = deps.limits;
          if (limitBytes === undefined) return;
          const folders = [own.folder, ...writable];
          disk = watchDisk({ folders, limitBytes, onError: deps.onError });
          void disk.exceeded.then(exceeded.resolve);
        },
        exceeded: exceeded.promise,
        async leave() {
          disk?.stop();
          await room.leave();
          await own.leave();
        },
      };
    },
    async close() {
      deps.egress?.close();
      await deps.engine.close();
    },
    erase: (sessionId) => removePrivateFolders(deps.folder, sessionId),
  };
}

/** The user's name and address for commits. The rest of the configuration can hold tokens, or name helpers that are not there. */
async function readGitIdentity(env: SandboxDeps['env']): Promise<string> {
  const read = async (key: string): Promise<string> => {
    const { stdout } = await run('git', ['config', '--global', '--get', key], { cwd: '/', env }).catch(
      () => ({
        stdout: '',
      }),
    );
    return stdout.trim();
  };
  const [name, email] = await Promise.all([read('user.name'), read('user.email')]);
  const line = (key: string, value: string): string =>
    value === '' ? '' : `\t${key} = ${JSON.stringify(value)}\n`;
  return `[user]\n${line('name', name)}${line('email', email)}`;
}

/** Model calls go to the gateway. Others use the proxy, if there is one. */
function environmentOfEgress(hasProxy: boolean): Record<string, string> {
  const address = `http://127.0.0.1:${EGRESS_PORT}`;
  const own = '127.0.0.1,localhost';
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];
  return {
    ANTHROPIC_BASE_URL: address,
    ...Object.fromEntries(names.map((name) => [name, hasProxy ? address : ''])),
    ALL_PROXY: '',
    all_proxy: '',
    NO_PROXY: own,
    no_proxy: own,
    // Node's own fetch asks for it.
    ...(hasProxy && { NODE_USE_ENV_PROXY: '1' }),
  };
}
