import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { Server } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { admit, covers } from '../../outbound/allowed-hosts.ts';
import { type Network, narrow } from '../../outbound/network.ts';
import type { StartOptions } from '../agent.ts';
import { type Bubblewrap, bubblewrapArguments, type Mount } from './bubblewrap.ts';
import { type DiskWatch, watchDisk } from './disk.ts';
import type { Egress, Origin } from './egress.ts';
import type { ControlGroups, LimitGroup, SandboxLimits } from './limits.ts';
import { openPrivateFolders, removePrivateFolders } from './private-folders.ts';
import { systemMounts } from './system.ts';

const run = promisify(execFile);

/** Whose agent starts, and where. */
export type Guest = Pick<StartOptions, 'sessionId' | 'conversationId' | 'cwd' | 'options' | 'model'> & {
  /** Where the process starts, if it comes to its folder later: an empty folder. */
  startsIn?: string;
};

/** A command line that runs a program in a sandbox. */
export interface SandboxCommand {
  command: string;
  args: string[];
  /** Open descriptors that it inherits, from `firstDescriptor` on. */
  descriptors: number[];
  /** The descriptor over which the sandbox hands out its port, right after `infoDescriptor`; undefined without one. */
  channel: number | undefined;
}

/** The sandbox of one agent process. */
export interface Confinement {
  /**
   * Call it when the program is started, and `started` right afterwards.
   * @param infoDescriptor bubblewrap writes there which process is the sandbox's first
   * @throws Error when a folder is not what it was
   */
  wrap(program: string, args: readonly string[], infoDescriptor: number): SandboxCommand;
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
  /** Variables that an agent in a sandbox gets. */
  environment(guest: Pick<Guest, 'options'>): Record<string, string>;
  enter(guest: Guest): Promise<Confinement>;
  /** Removes what a session's sandboxes have left. */
  erase(sessionId: string): Promise<void>;
  /** Closes what is left of their connections. */
  close(): void;
}

export interface SandboxDeps {
  bubblewrap: Bubblewrap;
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
  limits: SandboxLimits;
  groups: ControlGroups;
  /** The name of a folder among the agent's folders of transcripts. */
  projectOf(cwd: string): string;
  usesLogin(guest: Guest): boolean;
  onError(error: unknown): void;
}

/** The port of the way out, on the sandbox's own loopback address. */
const PORT = 3128;
/**
 * Runs inside a sandbox that has no network, beside the agent's start: opens a port on the sandbox's own loopback address,
 * hands it to the server and ends. The server then accepts connections from within the sandbox itself, so no process has
 * to stay inside for that (a Node would take 45 MB), and the agent has none to interfere with.
 */
const DOORWAY =
  "const s = require('node:net').createServer().listen(+process.argv[1], '127.0.0.1', () => process.send('open', s, {}, () => process.exit()))";
/** The agent gets neither the channel nor the variables that tell of it. */
const WITH_DOORWAY =
  '("$0" -e "$1" "$2" </dev/null &); unset NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE; eval "exec $3>&-"; shift 3; exec "$@"';

/** Joins groups with limits before there is a sandbox; inside, their files do not exist. */
const IN_GROUPS = 'for group in $0; do echo $$ > "$group" || exit 1; done; exec "$@"';
/**
 * Limits that the kernel keeps for each process, set inside: the number of processes is counted by user, and within the
 * sandbox's own user namespace those of the machine do not count. Root is exempt from it. dash calls it -p, bash -u.
 */
const WITH_LIMITS =
  '[ "$0" = - ] || ulimit -f "$0" || exit 1; [ "$1" = - ] || ulimit -u "$1" 2>/dev/null || ulimit -p "$1" || exit 1; shift; exec "$@"';
/** The unit of `ulimit -f`. */
const BLOCK_BYTES = 512;

const limitsCommand = ({ fileBytes, processes }: SandboxLimits): string[] => [
  ...['/bin/sh', '-c', WITH_LIMITS],
  fileBytes === undefined ? '-' : String(Math.ceil(fileBytes / BLOCK_BYTES)),
  processes === undefined ? '-' : String(processes),
];

const doorwayCommand = (channel: number): string[] => [
  ...['/bin/sh', '-c', WITH_DOORWAY],
  ...[process.execPath, DOORWAY, String(PORT), String(channel)],
];

/** Certificates that the environment names. */
const CERTIFICATES = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

/** Sandboxes by bubblewrap, around the whole agent process and everything that it starts. */
export function createSandbox(deps: SandboxDeps): Sandbox {
  const { bubblewrap, env, hidden } = deps;
  let identity: Promise<string> | undefined;
  const stateFile = env.CLAUDE_CONFIG_DIR
    ? join(deps.config, '.claude.json')
    : join(deps.home, '.claude.json');
  const machine = [
    ...systemMounts(),
    ...CERTIFICATES.flatMap((name): Mount[] => (env[name] ? [{ kind: 'read', path: env[name] }] : [])),
    ...deps.read.map((path): Mount => ({ kind: 'read', path })),
    ...deps.write.map((path): Mount => ({ kind: 'write', path })),
    ...hidden.folders.map((path): Mount => ({ kind: 'hide', path })),
    ...hidden.files.map((path): Mount => ({ kind: 'blank', path })),
  ];

  const networkOf = ({ options }: Pick<Guest, 'options'>): Network => narrow(deps.network, options.network);

  /** The way out of a sandbox with that network, if it has one of its own. */
  const wayOut = (sessionId: string, network: Network): { egress: Egress; origin: Origin } | undefined => {
    if (network.mode === 'open') return undefined;
    const { egress } = deps;
    if (!egress)
      throw new Error('The network of a session cannot be limited: the gateway has no credential.');
    const hosts = network.mode === 'limited' ? network.hosts : [];
    // Whether a name may lead into a private network is for the operator to say, not for who narrows that.
    const most = deps.network.mode === 'limited' ? deps.network.hosts : hosts;
    return {
      egress,
      origin: {
        sessionId,
        admit: (host, port) => (covers(hosts, host, port) ? admit(most, host, port) : undefined),
      },
    };
  };

  return {
    environment(guest) {
      const { mode } = networkOf(guest);
      return {
        // The agent refuses to run as root without questions unless it is told that it is in a sandbox.
        IS_SANDBOX: '1',
        TMPDIR: '/tmp',
        ...(mode !== 'open' && environmentOfEgress(mode === 'limited')),
      };
    },
    async enter(guest) {
      const { sessionId, conversationId, cwd, options, startsIn } = guest;
      const way = wayOut(sessionId, networkOf(guest));
      const own = await openPrivateFolders(
        {
          ...deps,
          stateFile,
          gitIdentity() {
            identity ??= readGitIdentity(env);
            return identity;
          },
        },
        { sessionId, conversationId, project: deps.projectOf(cwd), usesLogin: deps.usesLogin(guest) },
      );
      const writable = [...new Set([cwd, ...(options.additional_directories ?? [])])];
      const open: number[] = [];
      const doorway = Promise.withResolvers<void>();
      let entrance: Server | undefined;
      let group: LimitGroup | undefined;
      let disk: DiskWatch | undefined;
      const exceeded = Promise.withResolvers<string>();
      if (!way) doorway.resolve();
      const release = (): void => {
        for (const descriptor of open.splice(0)) closeSync(descriptor);
      };
      return {
        wrap(program, args, infoDescriptor) {
          const channel = way && infoDescriptor + 1;
          try {
            const shown = writable.map((path): Mount => {
              if (!bubblewrap.bindsDescriptors) return { kind: 'write', path };
              open.push(openFolder(path));
              return { kind: 'descriptor', path, descriptor: (channel ?? infoDescriptor) + open.length };
            });
            const mounts: Mount[] = [...machine, { kind: 'read', path: program }, ...own.mounts, ...shown];
            if (way) mounts.push({ kind: 'read', path: process.execPath });
            if (startsIn !== undefined) mounts.push({ kind: 'folder', path: startsIn });
            const from = startsIn ?? cwd;
            group = deps.groups.open(`claude-agent-${sessionId}`, deps.limits);
            return {
              command: '/bin/sh',
              args: [
                ...['-c', IN_GROUPS, group.joins.join(' '), bubblewrap.program],
                ...bubblewrapArguments(bubblewrap, {
                  mounts,
                  cwd: from,
                  infoDescriptor,
                  sharesNetwork: !way,
                }),
                ...limitsCommand(deps.limits),
                ...(channel === undefined ? [] : doorwayCommand(channel)),
                program,
                ...args,
              ],
              descriptors: [...open],
              channel,
            };
          } catch (error) {
            release();
            throw error;
          }
        },
        started(pid) {
          release();
          if (pid !== undefined) own.register(pid);
          const { diskBytes: limitBytes } = deps.limits;
          if (limitBytes === undefined) return;
          const folders = [own.folder, ...writable];
          disk = watchDisk({ folders, limitBytes, onError: deps.onError });
          void disk.exceeded.then(exceeded.resolve);
        },
        take(handle) {
          // Only the first: what an agent might send later is not looked at.
          if (!way || entrance || !(handle instanceof Server)) return;
          entrance = handle;
          entrance.on('connection', (socket) => way.egress.accept(socket, way.origin));
          doorway.resolve();
        },
        ready: doorway.promise,
        exceeded: exceeded.promise,
        async leave() {
          disk?.stop();
          entrance?.close();
          await group?.remove();
          await own.leave();
        },
      };
    },
    close: () => deps.egress?.close(),
    erase: (sessionId) => removePrivateFolders(deps.folder, sessionId),
  };
}

/**
 * Another session that works above this folder could put a link in its place after it was checked, and this one would
 * see the machine. An open folder stays the one it was.
 */
function openFolder(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (readlinkSync(`/proc/self/fd/${descriptor}`) === path) return descriptor;
  closeSync(descriptor);
  throw new Error(
    `The folder ${path} was replaced by a link. Start the session in the folder that the link leads to.`,
  );
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
  const address = `http://127.0.0.1:${PORT}`;
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
