import { inOrder, type Mount } from './mounts.ts';

/** Programs and what they read, on macOS. Its /tmp, /var and /etc are links into /private. */
const READABLE = [
  ...['/usr', '/bin', '/sbin', '/opt', '/nix', '/System', '/Library', '/Applications'],
  ...['/private/etc', '/private/var/db/timezone', '/private/var/db/dyld', '/private/var/select', '/dev'],
];
/** Of those, what holds secrets of the machine. */
const SECRET = [
  '/private/etc/master.passwd',
  '/private/etc/sudoers',
  '/private/etc/ssh',
  '/Library/Keychains',
];
const DEVICES = [
  '/dev/null',
  '/dev/zero',
  '/dev/random',
  '/dev/urandom',
  '/dev/tty',
  '/dev/ptmx',
  '/dev/dtracehelper',
];
/** Name service, certificates, time, and what every program asks when it starts. */
const SERVICES = [
  'com.apple.SecurityServer',
  'com.apple.SystemConfiguration.configd',
  'com.apple.bsd.dirhelper',
  'com.apple.dnssd.service',
  'com.apple.logd',
  'com.apple.system.logger',
  'com.apple.system.notification_center',
  'com.apple.system.opendirectoryd.libinfo',
  'com.apple.system.opendirectoryd.membership',
  'com.apple.trustd',
  'com.apple.trustd.agent',
];

/**
 * What a sandbox shows as a profile of macOS's own sandbox. It cannot show a folder under another path: the mounts are
 * those of the real paths. Of several rules that fit, the last one counts.
 */
export function seatbeltProfile(mounts: readonly Mount[]): string {
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-exec process-fork)',
    '(allow signal process-info* (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow ipc-posix-sem ipc-posix-shm pseudo-tty)',
    `(allow mach-lookup ${SERVICES.map((name) => `(global-name ${quoted(name)})`).join(' ')})`,
    '(allow network* system-socket)',
    // Where a path leads is found by looking at each folder on the way.
    '(allow file-read-metadata)',
    '(allow file-read* (literal "/"))',
    `(allow file-read* ${READABLE.map(below).join(' ')})`,
    `(allow file-write-data file-ioctl ${DEVICES.map((path) => `(literal ${quoted(path)})`).join(' ')} (regex #"^/dev/tty"))`,
    `(deny file-read* ${SECRET.map(below).join(' ')})`,
    ...inOrder(mounts).flatMap(ruleOf),
  ].join('\n');
}

function ruleOf(mount: Mount): string[] {
  switch (mount.kind) {
    case 'read':
      return [`(allow file-read* ${below(mount.source ?? mount.path)})`];
    case 'write':
      return [`(allow file-read* file-write* ${below(mount.source ?? mount.path)})`];
    case 'work':
      return [`(allow file-read* file-write* ${below(mount.path)})`];
    case 'hide':
    case 'blank':
      return [`(deny file-read* file-write* ${below(mount.path)})`];
    case 'folder':
    case 'link':
      return [];
  }
}

const below = (path: string): string => `(subpath ${quoted(path)})`;

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
