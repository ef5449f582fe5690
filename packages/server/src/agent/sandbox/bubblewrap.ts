import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inOrder, type Mount, SHARED_MEMORY_BYTES } from './mounts.ts';

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

export interface BubblewrapOptions {
  mounts: readonly Mount[];
  cwd: string;
  /** The network of the machine; otherwise a loopback address of its own and nothing else. */
  sharesNetwork: boolean;
  /** Open folders to mount in place of what their paths lead to by now. */
  descriptors: ReadonlyMap<string, number>;
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
    ...inOrder(options.mounts).flatMap((mount) => mountArguments(mount, options.descriptors)),
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

function mountArguments(mount: Mount, descriptors: BubblewrapOptions['descriptors']): string[] {
  const descriptor = descriptors.get(mount.path);
  switch (mount.kind) {
    case 'read':
      return ['--ro-bind', mount.source ?? mount.path, mount.path];
    case 'write':
      return ['--bind', mount.source ?? mount.path, mount.path];
    case 'work':
      return descriptor === undefined
        ? ['--bind', mount.path, mount.path]
        : ['--bind-fd', String(descriptor), mount.path];
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
