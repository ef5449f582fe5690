import { problem } from '../errors.ts';
import type { SavedObject } from '../store/store.ts';
import type { ObjectStore } from './objects.ts';

const FORM = /^snapshots\/[0-9a-f-]{36}\/([0-9a-f]{64})-(\d+)$/;

/** The key of a snapshot says all there is to know of it, so that any server with the object store can use it. */
export const snapshotKey = (id: string, { sha256, bytes }: Pick<SavedObject, 'sha256' | 'bytes'>): string =>
  `snapshots/${id}/${sha256}-${bytes}`;

/** @throws AppError 404 */
export async function findSnapshot(objects: ObjectStore, id: string): Promise<SavedObject> {
  for (const key of await objects.list(`snapshots/${id}/`)) {
    const [, sha256, bytes] = FORM.exec(key) ?? [];
    if (sha256 !== undefined) return { key, sha256, bytes: Number(bytes) };
  }
  throw problem('snapshot_not_found', { id });
}
