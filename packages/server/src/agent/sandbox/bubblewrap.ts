import { execFile } from 'node:child_process';
import { isAbsolute, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A bubblewrap that can make a sandbox on this machine, and which of its newer options it has. */
export interface Bubblewrap {
  program: string;
  version: string;
  /** Mounts a folder by its descriptor: what the path leads to by then does not count (0.8 with the fix of CVE-2024-42472). */
  bindsDescriptors: boolean;
  /** Keeps what runs inside from making user namespaces of its own (0.8). */
  disablesUserNamespaces: boolean;
}

/** Browsers and Python's multiprocessing need some; it is memory of the machine. */
const SHARED_MEMORY_BYTES = 256 * 1024 ** 2;

/** What a sandbox shows at a path. */
export type Mount =
  /** A folder or file of the machine; `source` when it is another one than its path says. */
  | { kind: 'read' | 'write'; path: string; source?: string }
  /** The same by an open descriptor, checked to be what the path said. */
  | { kind: 'descriptor'; path: string; descriptor: number }
  /** An empty folder in its place. */
  | { kind: 'hide'; path: string }
  /** An empty file in its place. */
  | { kind: 'blank'; path: string }
  /** An empty folder that is not on the machine. */
  | { kind: 'folder'; path: string }
  | { kind: 'link'; path: string; target: string };

export interface BubblewrapOptions {
  mounts: readonly Mount[];
  cwd: string;
  /** The network of the machine; otherwise a loopback address of its own and nothing else. */
  sharesNetwork: boolean;
  /** Bubblewrap writes the process id of the sandbox's init to this descriptor. */
  infoDescriptor: number;
}

/** Starting the smallest sandbox takes 6 ms; a machine under load must not be taken for one without. */
const PROBE_TIMEOUT_MS = 10_000;

/**
 * Looks for bubblewrap, and makes a sandbox with it: it is not allowed everywhere (user namespaces may be disabled, a
 * container may forbid mounts).
 * @throws Error with the reason when there is none
 */
export async function findBubblewrap(program = 'bwrap'): Promise<Bubblewrap> {
  const options = { timeout: PROBE_TIMEOUT_MS };
  const help = await run(program, ['--help'], options).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ENOENT' ? 'bubblewrap (bwrap) is not installed' : error.message);
  });
  const { stdout: version } = await run(program, ['--version'], options);
  const found: Bubblewrap = {
    program,
    version: version.trim(),
    bindsDescriptors: help.stdout.includes('--bind-fd'),
    disablesUserNamespaces: help.stdout.includes('--disable-userns'),
  };
  await run(
    program,
    [...isolation(found), '--unshare-net', '--ro-bind', '/', '/', '--proc', '/proc', '--', 'true'],
    options,
  ).catch((error: { stderr?: string; message: string }) => {
    throw new Error(`bubblewrap cannot make a sandbox here: ${error.stderr?.trim() || error.message}`);
  });
  return found;
}

/**
 * The namespaces of a sandbox. It has no capability, not even in its own user namespace, and dies with the process that
 * started it.
 */
function isolation({ disablesUserNamespaces }: Bubblewrap): string[] {
  return [
    '--unshare-user',
    '--unshare-ipc',
    '--unshare-pid',
    '--unshare-uts',
    '--unshare-cgroup-try',
    ...(disablesUserNamespaces ? ['--disable-userns'] : []),
    '--cap-drop',
    'ALL',
    '--die-with-parent',
  ];
}

/** The arguments of bubblewrap, to be followed by the program that runs in the sandbox. */
export function bubblewrapArguments(found: Bubblewrap, options: BubblewrapOptions): string[] {
  return [
    ...isolation(found),
    ...(options.sharesNetwork ? [] : ['--unshare-net']),
    '--info-fd',
    String(options.infoDescriptor),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--size',
    String(SHARED_MEMORY_BYTES),
    '--tmpfs',
    '/dev/shm',
    ...inOrder(options.mounts).flatMap(mountArguments),
    // Both are in memory, and have room for half of it.
    '--remount-ro',
    '/dev',
    '--remount-ro',
    '/',
    '--chdir',
    options.cwd,
    '--',
  ];
}

/** Of two mounts on one path the later one is seen. */
const ORDER: readonly Mount['kind'][] = ['link', 'read', 'write', 'descriptor', 'hide', 'blank', 'folder'];

/**
 * A mount covers what was mounted below its path before, so folders come before what is in them. What should be hidden
 * needs hiding only where a folder of the machine would show it.
 */
function inOrder(mounts: readonly Mount[]): Mount[] {
  const shown = mounts.filter(({ kind }) => kind === 'read' || kind === 'write' || kind === 'descriptor');
  return mounts
    .filter(
      ({ kind, path }) =>
        (kind !== 'hide' && kind !== 'blank') ||
        shown.some((mount) => !('source' in mount) && isIn(mount.path, path)),
    )
    .sort((a, b) => depth(a.path) - depth(b.path) || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

const depth = (path: string): number => (path === '/' ? 0 : path.split('/').length);

/** Whether a path is a folder or in it. */
function isIn(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}

function mountArguments(mount: Mount): string[] {
  switch (mount.kind) {
    case 'read':
      return ['--ro-bind', mount.source ?? mount.path, mount.path];
    case 'write':
      return ['--bind', mount.source ?? mount.path, mount.path];
    case 'descriptor':
      return ['--bind-fd', String(mount.descriptor), mount.path];
    case 'hide':
      return ['--tmpfs', mount.path];
    case 'blank':
      return ['--ro-bind', '/dev/null', mount.path];
    case 'folder':
      return ['--dir', mount.path];
    case 'link':
      return ['--symlink', mount.target, mount.path];
  }
}
