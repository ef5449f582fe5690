import { lstatSync, readlinkSync } from 'node:fs';
import type { Mount } from './mounts.ts';

/** Programs and libraries. On most systems all but the first are links into it. */
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix', '/gnu'];

/**
 * What programs read in /etc, without its secrets: a server that runs as root could read the machine's passwords,
 * keys of services and tokens of registries there.
 */
const SETTINGS = [
  'alternatives',
  'bash.bashrc',
  'ca-certificates',
  'ca-certificates.conf',
  'debian_version',
  'fonts',
  'gai.conf',
  'group',
  'host.conf',
  'hostname',
  'hosts',
  'inputrc',
  'java',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'localtime',
  'magic',
  'mime.types',
  'networks',
  'nsswitch.conf',
  'os-release',
  'passwd',
  'perl',
  'pki/tls/certs',
  'pki/ca-trust',
  'profile',
  'profile.d',
  'protocols',
  'python3',
  'resolv.conf',
  'services',
  'shells',
  'ssl/certs',
  'ssl/cert.pem',
  'ssl/openssl.cnf',
  'terminfo',
  'timezone',
  'xdg',
];

/** The part of the machine that every sandbox shows, read-only. */
export function systemMounts(): Mount[] {
  return [...PROGRAMS, ...SETTINGS.map((name) => `/etc/${name}`)].flatMap((path) => shown(path));
}

function shown(path: string): Mount[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return [];
  const target = stat.isSymbolicLink() ? readlinkSync(path) : undefined;
  // A link to programs stays one; a file that is elsewhere (resolv.conf is below /run) is shown in its place.
  if (target !== undefined && PROGRAMS.includes(path)) return [{ kind: 'link', path, target }];
  return [{ kind: 'read', path }];
}
