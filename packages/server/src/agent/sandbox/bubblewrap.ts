import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { User } from './container-arguments.ts';
import { inOrder, type Mount, SHARED_MEMORY_BYTES } from './mounts.ts';
import { asUser } from './tenant-users.ts';

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
  /** Whom the program runs as; undefined: as the server. */
  user?: User | undefined;
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
 * Makes the smallest sandbox as a user of its own.
 * @throws Error with the reason when that does not work here
 */
export async function tryAsUser(found: Bubblewrap, user: User): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the server does not run as root');
  const options = { timeout: PROBE_TIMEOUT_MS, env: { PATH: process.env.PATH } };
  await run('setpriv', ['--version'], options).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ENOENT' ? 'setpriv (util-linux) is not installed' : error.message);
  });
  const whole = ['--bind', '/', '/', '--proc', '/proc', '--', 'true'];
  const inner = [...asUser(user), found.program, ...isolation(found), ...whole];
  await run(found.program, [...AS_ROOT, '--bind', '/', '/', '--', ...inner], options).catch(
    (error: { stderr?: string; message: string }) => {
      throw new Error(error.stderr?.trim() || error.message);
    },
  );
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
  const { user, cwd, sharesNetwork, infoDescriptor, descriptors } = options;
  const isolated = [
    ...isolation(found),
    ...(sharesNetwork ? [] : ['--unshare-net']),
    ...['--info-fd', String(infoDescriptor)],
  ];
  const shared = ['--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm'];
  // Both are in memory, and have room for half of it.
  const closed = ['--remount-ro', '/dev', '--remount-ro', '/'];
  const mounts = inOrder(options.mounts);
  if (!user) {
    const shown = mounts.flatMap((mount) => mountArguments(mount, descriptors));
    const system = ['--proc', '/proc', '--dev', '/dev', ...shared];
    return [...isolated, ...system, ...shown, ...closed, '--chdir', cwd, '--'];
  }
  // Folders that bubblewrap makes by itself on the way to a mount can be open to root only.
  const shown = mounts.flatMap((mount) => [
    ...foldersTo(mount.path).flatMap((folder) => ['--dir', folder]),
    ...mountArguments(mount, descriptors),
  ]);
  const system = ['--bind', '/proc', '/proc', '--dev', '/dev', '--perms', '1777', ...shared];
  return [
    ...[...AS_ROOT, ...system, ...shown, ...closed, '--chdir', '/', '--'],
    ...[...asUser(user), found.program, ...isolated],
    ...['--dev-bind', '/', '/', '--proc', '/proc', '--chdir', cwd, '--'],
  ];
}

/**
 * A user of its own cannot look up most of what its sandbox shows (it is below folders of root), and bubblewrap looks all of it
 * up, descriptors included. So root mounts it, in a sandbox that is none yet, and becomes the user; the user's bubblewrap then
 * shows that, and isolates. Measured: 7 ms more.
 */
const AS_ROOT = [
  '--cap-drop',
  'ALL',
  '--cap-add',
  'CAP_SETUID',
  '--cap-add',
  'CAP_SETGID',
  '--die-with-parent',
];

/** The folders above a path, the topmost first. */
function foldersTo(path: string): string[] {
  const above = dirname(path);
  return above === '/' || above === path ? [] : [...foldersTo(above), above];
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
