import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { Server } from 'node:net';
import { type Bubblewrap, bubblewrapArguments } from './bubblewrap.ts';
import { EGRESS_PORT, type Engine } from './engine.ts';
import type { ControlGroups, LimitGroup, SandboxLimits } from './limits.ts';
import type { Mount } from './mounts.ts';

export interface BubblewrapEngineDeps {
  bubblewrap: Bubblewrap;
  groups: ControlGroups;
  /** The part of the machine that every sandbox shows. */
  system: readonly Mount[];
}

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

/**
 * Limits that the kernel keeps for each process, set inside: the number of processes is counted by user, and within the
 * sandbox's own user namespace those of the machine do not count. Root is exempt from it. dash calls it -p, bash -u.
 *
 * Groups with limits are joined through files that were opened outside; inside there is no way to them. The kernel takes 12 to
 * 30 ms to let a process join (it waits for all processors), so that is not waited for: the program needs 50 ms until it
 * does anything of its own, and all its threads join with it. One that cannot join is killed.
 */
const WITH_LIMITS = [
  'for group in $2; do ( (eval "echo $$ >&$group" || kill -9 $$) & ); eval "exec $group>&-"; done',
  '[ "$0" = - ] || ulimit -f "$0" || exit 1',
  '[ "$1" = - ] || ulimit -u "$1" 2>/dev/null || ulimit -p "$1" || exit 1',
  'shift 2; exec "$@"',
].join('; ');
/** The unit of `ulimit -f`. */
const BLOCK_BYTES = 512;

/** What sets them before the program that follows. @param groups descriptors of the lists of processes of groups to join */
export const limitsCommand = (
  { fileBytes, processes }: SandboxLimits,
  groups: readonly number[] = [],
): string[] => [
  ...['/bin/sh', '-c', WITH_LIMITS],
  fileBytes === undefined ? '-' : String(Math.ceil(fileBytes / BLOCK_BYTES)),
  processes === undefined ? '-' : String(processes),
  groups.join(' '),
];

const doorwayCommand = (channel: number): string[] => [
  ...['/bin/sh', '-c', WITH_DOORWAY],
  ...[process.execPath, DOORWAY, String(EGRESS_PORT), String(channel)],
];

/** Sandboxes by bubblewrap. */
export function createBubblewrapEngine({ bubblewrap, groups, system }: BubblewrapEngineDeps): Engine {
  return {
    version: bubblewrap.version,
    isolatesNetwork: true,
    async open({ sessionId, mounts, cwd, limits, user, accept }) {
      const open: number[] = [];
      const doorway = Promise.withResolvers<void>();
      let entrance: Server | undefined;
      let group: LimitGroup | undefined;
      if (!accept) doorway.resolve();
      const release = (): void => {
        for (const descriptor of open.splice(0)) closeSync(descriptor);
      };
      return {
        wrap(program, args, { infoDescriptor }) {
          const channel = accept && infoDescriptor + 1;
          const inherit = (descriptor: number): number => (channel ?? infoDescriptor) + open.push(descriptor);
          const descriptors = new Map<string, number>();
          let joined: number[];
          try {
            group = groups.open(`claude-agent-${sessionId}`, limits);
            // First: dash knows descriptors of one digit only.
            joined = group.joins.map((path) => inherit(openSync(path, 'w')));
            for (const { kind, path } of mounts) {
              if (kind !== 'work' || !bubblewrap.bindsDescriptors) continue;
              descriptors.set(path, inherit(openFolder(path)));
            }
          } catch (error) {
            release();
            throw error;
          }
          const node: Mount[] = accept ? [{ kind: 'read', path: process.execPath }] : [];
          return {
            command: bubblewrap.program,
            args: [
              ...bubblewrapArguments(bubblewrap, {
                mounts: [...system, ...node, { kind: 'read', path: program }, ...mounts],
                cwd,
                descriptors,
                infoDescriptor,
                sharesNetwork: !accept,
                user,
              }),
              ...limitsCommand(limits, joined),
              ...(channel === undefined ? [] : doorwayCommand(channel)),
              program,
              ...args,
            ],
            descriptors: [...open],
            channel,
          };
        },
        started: release,
        take(handle) {
          // Only the first: what an agent might send later is not looked at.
          if (!accept || entrance || !(handle instanceof Server)) return;
          entrance = handle;
          entrance.on('connection', accept);
          doorway.resolve();
        },
        ready: doorway.promise,
        async leave() {
          entrance?.close();
          await group?.remove();
        },
      };
    },
    close: async () => {},
  };
}

/**
 * Another session that works above this folder could put a link in its place after it was checked, and this one would
 * see the machine. An open folder stays the one it was.
 */
export function openFolder(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (readlinkSync(`/proc/self/fd/${descriptor}`) === path) return descriptor;
  closeSync(descriptor);
  throw new Error(
    `The folder ${path} was replaced by a link. Start the session in the folder that the link leads to.`,
  );
}
