/**
 * Images with the names of those that deploy/ starts from, for machines that reach no registry of images: Debian's own
 * packages, and the Node of this repository. They prove our files, not the images of others.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { DockerEngine } from './engine.ts';

/** As in the image of Node: what is no program is an argument of node. */
const NODE_ENTRYPOINT = `#!/bin/sh
set -e
if [ "\${1#-}" != "\${1}" ] || [ -z "$(command -v "\${1}")" ]; then set -- node "$@"; fi
exec "$@"
`;

/** The part of the entry point of PostgreSQL's image that the compose file uses. */
const POSTGRES_ENTRYPOINT = `#!/bin/sh
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
mkdir -p $data /var/run/postgresql
chown -R postgres $data /var/run/postgresql
if [ ! -s $data/PG_VERSION ]; then
  echo "$POSTGRES_PASSWORD" > /tmp/password
  chown postgres /tmp/password
  setpriv --reuid postgres --regid postgres --init-groups $bin/initdb -D $data -U "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 > /dev/null
  echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
  echo "CREATE DATABASE $POSTGRES_DB" | setpriv --reuid postgres --regid postgres --init-groups $bin/postgres --single -D $data postgres > /dev/null
fi
exec setpriv --reuid postgres --regid postgres --init-groups $bin/postgres -D $data -c listen_addresses='*'
`;

const CERTIFICATES = '/usr/local/share/machine/certificates.pem';

/** Debian with the Node of this repository, as a file for \`docker import\`; made once for a folder. */
function makeBase(folder: string): string {
  const archive = join(folder, 'base.tar');
  if (existsSync(archive)) return archive;
  const root = join(folder, 'base');
  execFileSync('debootstrap', ['--variant=minbase', 'bookworm', root, 'http://deb.debian.org/debian'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const local = join(root, 'usr/local');
  cpSync(
    realpathSync(resolve(import.meta.dirname, '../../node_modules/node/bin/node')),
    join(local, 'bin/node'),
  );
  const npm = dirname(
    dirname(realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim())),
  );
  execFileSync('cp', ['-a', npm, join(local, 'lib/npm')]);
  symlinkSync('../lib/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  writeFileSync(join(local, 'bin/docker-entrypoint.sh'), NODE_ENTRYPOINT);
  chmodSync(join(local, 'bin/docker-entrypoint.sh'), 0o755);
  // The machine may reach registries through a proxy with a certificate of its own.
  const { NODE_EXTRA_CA_CERTS: own } = process.env;
  mkdirSync(dirname(join(root, CERTIFICATES)), { recursive: true });
  if (own) cpSync(realpathSync(own), join(root, CERTIFICATES));
  else writeFileSync(join(root, CERTIFICATES), '');
  execFileSync('chroot', [root, 'groupadd', '--gid', '1000', 'node']);
  execFileSync('chroot', [root, 'useradd', '--uid', '1000', '--gid', 'node', '--create-home', 'node']);
  execFileSync('tar', ['-C', root, '-cf', `${archive}.part`, '.']);
  renameSync(`${archive}.part`, archive);
  return archive;
}

/** What the engine has under a name, or could fetch; undefined for nothing. */
function nameOf({ docker }: DockerEngine, image: string): string | undefined {
  const ask = (...args: string[]): string | undefined => {
    try {
      return docker(args);
    } catch {
      return undefined;
    }
  };
  const label = ['image', 'inspect', '--format', '{{index .Config.Labels "stand-in"}}', image];
  const found = ask(...label) ?? (ask('pull', '--quiet', image) === undefined ? undefined : ask(...label));
  return found === undefined ? undefined : `${found === image ? 'a stand-in for' : 'the image'} ${image}`;
}

/** Gets the image of Node, or makes its stand-in. Returns what it is. */
export function provideNode(engine: DockerEngine, image: string, folder: string): string {
  const found = nameOf(engine, image);
  if (found) return found;
  const changes = [
    `LABEL stand-in=${image}`,
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
    'ENTRYPOINT ["docker-entrypoint.sh"]',
    'CMD ["node"]',
  ];
  engine.docker(['import', ...changes.flatMap((change) => ['--change', change]), makeBase(folder), image]);
  return `a stand-in for ${image}`;
}

/** The same for a service of the compose file. */
export function provideService(engine: DockerEngine, image: string, node: string): string {
  const found = nameOf(engine, image);
  if (found) return found;
  const install = (name: string): string =>
    `RUN apt-get update && apt-get install -y --no-install-recommends ${name} && rm -rf /var/lib/apt/lists/*`;
  const lines = image.startsWith('postgres:')
    ? [
        `FROM ${node}`,
        install('postgresql'),
        `RUN echo ${Buffer.from(POSTGRES_ENTRYPOINT).toString('base64')} | base64 -d > /entry.sh`,
        'ENTRYPOINT ["/bin/sh", "/entry.sh"]',
        'CMD []',
      ]
    : [
        `FROM ${node}`,
        install('haproxy'),
        'USER haproxy',
        'ENTRYPOINT []',
        'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
      ];
  lines.push(`LABEL stand-in=${image}`);
  engine.docker(['build', '--network', 'host', '-t', image, '-'], lines.join('\n'));
  return `a stand-in for ${image}`;
}
