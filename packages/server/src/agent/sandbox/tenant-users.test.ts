import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NO_TENANT_UIDS } from '../../../test/support/tenant-uids.ts';
import { bubblewrapArguments, tryAsUser } from './bubblewrap.ts';
import { createTenantUsers, giveTo } from './tenant-users.ts';

const FOUND = { program: 'bwrap', version: '', bindsDescriptors: true, disablesUserNamespaces: true };
const USER = { uid: 281_900, gid: 281_900 };

let base: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'tenant-users-')));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true, force: true });
});

describe.skipIf(process.platform !== 'linux')('a server that cannot have users for its tenants', () => {
  test('says that it is not root', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    await expect(tryAsUser(FOUND, USER)).rejects.toThrow('the server does not run as root');
  });

  test('says that setpriv is missing', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    vi.stubEnv('PATH', base);
    await expect(tryAsUser(FOUND, USER)).rejects.toThrow('setpriv (util-linux) is not installed');
  });
});

test('a number is asked for once, and by tenant', async () => {
  const asked: string[] = [];
  const users = createTenantUsers(
    {
      async tenantUid(tenant, { first }) {
        asked.push(tenant);
        return tenant === 'last' ? undefined : first + asked.length;
      },
    },
    { first: 10, count: 9 },
  );
  expect(await users.of('a')).toEqual({ uid: 11, gid: 11 });
  expect(await users.of('b')).toEqual({ uid: 12, gid: 12 });
  expect(await users.of('a')).toEqual({ uid: 11, gid: 11 });
  await expect(users.of('last')).rejects.toMatchObject({ code: 'no_tenant_uid' });
  expect(asked).toEqual(['a', 'b', 'last']);
});

test.skipIf(NO_TENANT_UIDS !== undefined)(
  'what is given is given whole, and no link is followed',
  async () => {
    const outside = join(base, 'outside');
    writeFileSync(outside, '');
    const folder = join(base, 'folder');
    mkdirSync(join(folder, 'in'), { recursive: true });
    writeFileSync(join(folder, 'in', 'file'), '');
    symlinkSync(outside, join(folder, 'link'));
    symlinkSync(base, join(folder, 'up'));
    await giveTo(USER, folder);
    const ownerOf = (path: string): number => lstatSync(path).uid;
    expect(['.', 'in', 'in/file', 'link', 'up'].map((name) => ownerOf(join(folder, name)))).toEqual(
      Array(5).fill(USER.uid),
    );
    expect([outside, base].map(ownerOf)).toEqual([0, 0]);
    // Its top says that all of it is: another's file in it stays.
    chownSync(join(folder, 'in', 'file'), 1, 1);
    await giveTo(USER, folder);
    expect(ownerOf(join(folder, 'in', 'file'))).toBe(1);
    await giveTo(USER, join(base, 'nowhere'));
  },
);

test("root mounts by descriptor and in open folders, and the user's own sandbox has all that isolates", () => {
  const options = { cwd: '/srv/x/work', sharesNetwork: false, infoDescriptor: 3, user: USER };
  const args = bubblewrapArguments(FOUND, {
    ...options,
    mounts: [
      { kind: 'read', path: '/usr' },
      { kind: 'work', path: '/srv/x/work' },
    ],
    descriptors: new Map([['/srv/x/work', 4]]),
  });
  const at = args.indexOf('setpriv');
  const [outer, inner] = [args.slice(0, at).join(' '), args.slice(at).join(' ')];
  expect(outer).toContain('--dir /srv --dir /srv/x --bind-fd 4 /srv/x/work');
  expect(outer).toContain('--cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID --die-with-parent');
  expect(outer).not.toContain('--unshare');
  expect(inner).toMatch(/^setpriv --reuid 281900 --regid 281900 --clear-groups --no-new-privs -- bwrap /);
  for (const part of [
    '--unshare-user',
    '--unshare-pid',
    '--unshare-net',
    '--disable-userns',
    '--cap-drop ALL',
  ])
    expect(inner).toContain(part);
  expect(inner).toContain('--info-fd 3');
  expect(inner).toContain('--chdir /srv/x/work');
});
