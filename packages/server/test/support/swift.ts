import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AwsV4Signer } from 'aws4fetch';
import type { S3Settings } from '../../src/workspaces/s3.ts';

/**
 * OpenStack Swift with its S3 API (Debian: python3-swift), as four processes on loopback with one device. It verifies
 * signatures and hashes of bodies as S3 does.
 */
export interface Swift {
  settings: S3Settings;
  stop(): Promise<void>;
}

/** With this variable a machine without Swift fails the tests that need it, instead of skipping them. */
const REQUIRED = 'CLAUDE_TEST_NEEDS_SWIFT';
/** Debian's own: another Python has no Swift. */
const PYTHON = '/usr/bin/python3';
const KINDS = ['account', 'container', 'object'] as const;

/** Whether this machine has Swift. Says so once when not. */
export function hasSwift(): boolean {
  const found =
    spawnSync(PYTHON, ['-c', 'import swift.common.middleware.s3api'], { stdio: 'ignore' }).status === 0;
  if (found) return true;
  if (process.env[REQUIRED]) throw new Error('Swift is needed and not here: apt-get install python3-swift.');
  console.warn(
    'No OpenStack Swift on this machine: tests of the S3 API are skipped (apt-get install python3-swift).',
  );
  return false;
}

const RINGS = `
import sys
from swift.common.ring import RingBuilder
for kind, port in (each.split('=') for each in sys.argv[2:]):
    ring = RingBuilder(1, 1, 1)
    ring.add_dev(dict(id=0, region=1, zone=1, ip='127.0.0.1', port=int(port), device='d1', weight=1,
                      replication_ip='127.0.0.1', replication_port=int(port), meta=''))
    ring.rebalance()
    ring.get_ring().save('%s/%s.ring.gz' % (sys.argv[1], kind))
`;

const RUN = `
import sys
import swift.common.utils as utils, swift.common.storage_policy as policies
kind, folder = sys.argv[1:]
utils.set_swift_dir(folder)
policies.reload_storage_policies()
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi('%s/%s.conf' % (folder, kind), kind + '-server'))
`;

/** Starts one with a bucket. */
export async function startSwift(): Promise<Swift> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'swift-test-')));
  const folder = join(base, 'etc');
  mkdirSync(folder);
  mkdirSync(join(base, 'devices', 'd1'), { recursive: true });
  const [proxy = 0, ...others] = await freePorts(4);
  const ports = KINDS.map((kind, at) => [kind, others[at] ?? 0] as const);
  write(folder, 'swift.conf', {
    'swift-hash': { swift_hash_path_suffix: 'a', swift_hash_path_prefix: 'b' },
    'storage-policy:0': { name: 'one', default: 'yes' },
  });
  const common = {
    swift_dir: folder,
    bind_ip: '127.0.0.1',
    workers: 0,
    user: userName(),
    log_level: 'ERROR',
  };
  for (const [kind, port] of ports) {
    write(folder, `${kind}.conf`, {
      DEFAULT: {
        ...common,
        bind_port: port,
        devices: join(base, 'devices'),
        mount_check: 'false',
        db_preallocation: 'off',
      },
      'pipeline:main': { pipeline: `${kind}-server` },
      [`app:${kind}-server`]: { use: `egg:swift#${kind}` },
    });
  }
  write(folder, 'proxy.conf', {
    DEFAULT: { ...common, bind_port: proxy },
    'pipeline:main': { pipeline: 'catch_errors cache s3api tempauth proxy-server' },
    'filter:catch_errors': { use: 'egg:swift#catch_errors' },
    // There is none; Swift goes on without.
    'filter:cache': { use: 'egg:swift#memcache', memcache_servers: '127.0.0.1:1' },
    'filter:s3api': { use: 'egg:swift#s3api', location: 'us-east-1' },
    'filter:tempauth': { use: 'egg:swift#tempauth', user_test_tester: 'testing .admin' },
    'app:proxy-server': { use: 'egg:swift#proxy', account_autocreate: 'true' },
  });
  const made = spawnSync(PYTHON, ['-c', RINGS, folder, ...ports.map(([kind, port]) => `${kind}=${port}`)]);
  if (made.status !== 0) throw new Error(`Swift's rings cannot be made: ${made.stderr}`);
  const processes = [...KINDS, 'proxy'].map((kind) =>
    spawn(PYTHON, ['-c', RUN, kind, folder], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: base },
    }),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map(end));
    rmSync(base, { recursive: true, force: true });
  };
  const settings: S3Settings = {
    endpoint: `http://127.0.0.1:${proxy}`,
    bucket: 'workspaces',
    region: 'us-east-1',
    prefix: '',
    credentials: { accessKeyId: 'test:tester', secretAccessKey: 'testing', sessionToken: undefined },
    timeoutSeconds: 30,
  };
  try {
    await makeBucket(settings);
    return { settings, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function write(
  folder: string,
  name: string,
  sections: Record<string, Record<string, string | number>>,
): void {
  const text = Object.entries(sections).map(([section, entries]) =>
    [`[${section}]`, ...Object.entries(entries).map(([key, value]) => `${key} = ${value}`), ''].join('\n'),
  );
  writeFileSync(join(folder, name), text.join('\n'));
}

const userName = (): string => spawnSync('id', ['-un'], { encoding: 'utf8' }).stdout.trim();

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Also waits until Swift answers. */
async function makeBucket({ endpoint, bucket, region, credentials }: S3Settings): Promise<void> {
  const { accessKeyId, secretAccessKey } = credentials;
  const url = `${endpoint}/${bucket}`;
  const deadline = Date.now() + 55_000;
  for (;;) {
    const { headers } = await new AwsV4Signer({
      method: 'PUT',
      url,
      service: 's3',
      region,
      accessKeyId,
      secretAccessKey,
    }).sign();
    const answer = await fetch(url, { method: 'PUT', headers }).catch(() => undefined);
    const text = await answer?.text();
    if (answer?.ok) return;
    if (Date.now() > deadline) throw new Error(`Swift does not answer: ${answer?.status} ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
