import type { SandboxLimits } from './limits.ts';
import { inOrder, type Mount, SHARED_MEMORY_BYTES } from './mounts.ts';

/** The programs that run containers here; podman takes the same arguments as docker. */
export const CONTAINER_PROGRAMS = ['docker', 'podman'] as const;
export type ContainerProgram = (typeof CONTAINER_PROGRAMS)[number];

/** A user and group of the machine. */
export interface User {
  uid: number;
  gid: number;
}

export interface ContainerOptions {
  program: ContainerProgram;
  image: string;
  name: string;
  labels: Readonly<Record<string, string>>;
  mounts: readonly Mount[];
  cwd: string;
  user: User;
  /** The engine itself runs as another user than root, and maps users. */
  isRootless: boolean;
  /** The network of the machine; otherwise a loopback address and nothing else. */
  sharesNetwork: boolean;
  limits: SandboxLimits;
  /** The limits that mark its processes. */
  marks: { soft: bigint; hard: bigint };
  /** How many files the engine may let a process have open; undefined: as many as it wants to. */
  openFiles: number | undefined;
  /** Names of variables of the command that the program in the container gets; their values are on no command line. */
  variables: readonly string[];
  command: readonly [string, ...string[]];
}

/** The arguments of `docker run` for one agent, from what bubblewrap is told too. */
export function containerArguments(options: ContainerOptions): string[] {
  const { name, labels, mounts, cwd, user, limits, marks, variables, image, command } = options;
  const [entrypoint, ...args] = command;
  return [
    ...['run', '--rm', '--interactive', '--init', '--pull', 'never'],
    ...['--name', name],
    ...Object.entries(labels).flatMap(([label, value]) => ['--label', `${label}=${value}`]),
    // The agent's output is for the server, and would be kept in a file of the engine otherwise.
    ...['--log-driver', 'none'],
    ...['--network', options.sharesNetwork ? 'host' : 'none'],
    ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
    ...['--user', `${user.uid}:${user.gid}`],
    // Otherwise a rootless engine gives the files of this user to the container's root.
    ...(options.isRootless && options.program === 'podman' ? ['--userns', 'keep-id'] : []),
    ...['--read-only', '--shm-size', String(SHARED_MEMORY_BYTES)],
    ...['--ulimit', `locks=${marks.soft}:${marks.hard}`, '--ulimit', 'core=0:0'],
    ...limitArguments(limits),
    ...(options.program === 'podman' ? podmanLimits(options) : []),
    ...inOrder(mounts).flatMap(mountArguments),
    ...['--workdir', cwd],
    ...variables.flatMap((variable) => ['--env', variable]),
    ...['--entrypoint', entrypoint, image, ...args],
  ];
}

const limitArguments = ({ memoryBytes, processes, fileBytes }: SandboxLimits): string[] => [
  ...(processes === undefined ? [] : ['--pids-limit', String(processes)]),
  // Swap would come on top.
  ...(memoryBytes === undefined
    ? []
    : ['--memory', String(memoryBytes), '--memory-swap', String(memoryBytes)]),
  ...(fileBytes === undefined ? [] : ['--ulimit', `fsize=${fileBytes}:${fileBytes}`]),
];

/**
 * Podman raises these two limits for every container that is given others, which it may not everywhere (as root without
 * CAP_SYS_RESOURCE). Root is exempt from the second.
 */
const podmanLimits = ({ openFiles, limits }: ContainerOptions): string[] => [
  ...(openFiles === undefined ? [] : ['--ulimit', `nofile=${openFiles}:${openFiles}`]),
  ...(limits.processes === undefined ? [] : ['--ulimit', `nproc=${limits.processes}:${limits.processes}`]),
];

function mountArguments(mount: Mount): string[] {
  const bind = (source: string, ...more: string[]): string[] => [
    '--mount',
    fields('type=bind', `source=${source}`, `target=${mount.path}`, ...more),
  ];
  switch (mount.kind) {
    case 'read':
      return bind(mount.source ?? mount.path, 'readonly');
    case 'write':
      return bind(mount.source ?? mount.path);
    case 'work':
      return bind(mount.path);
    case 'blank':
      return bind('/dev/null', 'readonly');
    case 'hide':
    case 'folder':
      return ['--mount', fields('type=tmpfs', `target=${mount.path}`)];
    case 'link':
      // Links are to parts of the machine, which the image has by itself.
      return [];
  }
}

/** Both read the value as a line of CSV, so that a path may have a comma or a quote in it. */
const fields = (...values: string[]): string =>
  values.map((value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',');
