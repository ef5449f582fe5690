import { execFile } from 'node:child_process';
import type { Stats } from 'node:fs';
import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, problem } from '../../errors.ts';
import { isObject } from '../../is-object.ts';
import type { TenantUids, UidRange } from '../../store/tenant-uids.ts';
import type { User } from './container-arguments.ts';

const run = promisify(execFile);

/** A user of its own for each tenant: the kernel keeps apart what their agents share. */
export interface TenantUsers {
  /** @throws AppError 503 when no number is left */
  of(tenant: string): Promise<User>;
  /**
   * Whether the tenant's agents can work in a folder that is there: enter and list it, and write to it.
   * @throws AppError 403
   */
  check(tenant: string, folder: string, how: { writes: boolean }): Promise<void>;
  /** Makes a folder, with everything in it, the tenant's. */
  give(tenant: string, folder: string): Promise<void>;
}

/** `test` asks the kernel for the user that it runs as, access lists included; the folder is entered by root before. */
const MAY = 'test -r . && test -x . || exit 10; [ "$0" = read ] || test -w . || exit 11';
const SAID: Readonly<Record<number, 'read' | 'write'>> = { 10: 'read', 11: 'write' };
const TIMEOUT_MS = 10_000;

/** Runs the program that follows as a user, without groups, and without a way to become another. */
export const asUser = ({ uid, gid }: User): string[] => [
  ...['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--no-new-privs', '--'],
];

export function createTenantUsers(store: TenantUids, range: UidRange): TenantUsers {
  const known = new Map<string, User>();

  const of: TenantUsers['of'] = async (tenant) => {
    const user = known.get(tenant);
    if (user) return user;
    const uid = await store.tenantUid(tenant, range);
    if (uid === undefined) throw problem('no_tenant_uid', { tenant, count: range.count });
    const given = { uid, gid: uid };
    known.set(tenant, given);
    return given;
  };

  return {
    of,
    async check(tenant, folder, { writes }) {
      const user = await of(tenant);
      const [program = '', ...args] = [...asUser(user), '/bin/sh', '-c', MAY, writes ? 'write' : 'read'];
      // Not the server's environment: another program of that user could read it.
      const env = { PATH: process.env.PATH };
      try {
        await run(program, args, { cwd: folder, env, timeout: TIMEOUT_MS });
      } catch (error) {
        const what = isObject(error) && SAID[Number(error.code)];
        if (!what) throw new Error(`Whether a folder can be used cannot be found out: ${messageOf(error)}`);
        throw problem('cwd_not_accessible', { cwd: folder, tenant, uid: user.uid, what });
      }
    },
    give: async (tenant, folder) => giveTo(await of(tenant), folder),
  };
}

/**
 * Makes a folder or file, with everything in it, a user's. The top comes last: where it is the user's already, all is.
 * Links are given, never followed.
 */
export async function giveTo(user: User, path: string): Promise<void> {
  const info = await lstat(path).catch(ifGone);
  if (info && !isOf(user, info)) await giveAll(user, path, info);
}

/** The same, without that trust in the top: others write here too. */
export async function giveEach(user: User, path: string): Promise<void> {
  const info = await lstat(path).catch(ifGone);
  if (info) await giveAll(user, path, info);
}

async function giveAll(user: User, path: string, info: Stats): Promise<void> {
  if (info.isDirectory()) {
    for (const entry of await readdir(path)) await giveEach(user, join(path, entry));
  }
  if (!isOf(user, info)) await lchown(path, user.uid, user.gid);
}

const isOf = ({ uid, gid }: User, info: Stats): boolean => info.uid === uid && info.gid === gid;

function ifGone(error: unknown): undefined {
  if (!isObject(error) || error.code !== 'ENOENT') throw error;
}
