import { createHash } from 'node:crypto';
import { OF_THE_MACHINE } from '../access/principal.ts';
import { problem } from '../errors.ts';
import type { Owned, SavedObject, Scope } from '../store/store.ts';
import type { ObjectStore } from './objects.ts';

const FORM = /^snapshots\/[0-9a-f-]{36}\/([0-9a-f]{64})-(\d+)(?:-([0-9a-f]{32})-([0-9a-f]{32}))?$/;

/** Names as keys can have them: callers choose names, and keys are short and lower case. */
const digest = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 32);
const tenantDigest = ({ tenant }: { tenant: string }): string => digest(tenant);
const makerDigest = ({
  tenant,
  createdBy,
}: {
  tenant: string;
  createdBy?: string | null | undefined;
}): string => digest(`${tenant}/${createdBy ?? ''}`);

/**
 * The key of a snapshot says all there is to know of it, whose it is too, so that any server with the object store can use
 * it.
 */
export const snapshotKey = (
  id: string,
  { sha256, bytes }: Pick<SavedObject, 'sha256' | 'bytes'>,
  owned: Owned,
): string => `snapshots/${id}/${sha256}-${bytes}-${tenantDigest(owned)}-${makerDigest(owned)}`;

/**
 * @param scope whose snapshots the caller may use; any by default
 * @throws AppError 404
 */
export async function findSnapshot(
  objects: ObjectStore,
  id: string,
  scope: Scope = {},
): Promise<SavedObject> {
  for (const key of await objects.list(`snapshots/${id}/`)) {
    const [, sha256, bytes, tenant, maker] = FORM.exec(key) ?? [];
    if (sha256 === undefined || !isIn(scope, tenant, maker)) continue;
    return { key, sha256, bytes: Number(bytes) };
  }
  throw problem('snapshot_not_found', { id });
}

/** Those that say nothing are older than tenants. */
function isIn(
  scope: Scope,
  tenant = tenantDigest(OF_THE_MACHINE),
  maker = makerDigest(OF_THE_MACHINE),
): boolean {
  if (scope.tenant === undefined) return true;
  return tenant === tenantDigest(scope) && (scope.createdBy === undefined || maker === makerDigest(scope));
}
