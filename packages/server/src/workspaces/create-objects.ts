import type { WorkspaceConfig } from '../workspace-config.ts';
import { createDirectoryObjects, type ObjectStore } from './objects.ts';
import { createS3Objects } from './s3.ts';

/** Where saved states go, as the configuration says. */
export function createObjects({ objects, timeoutSeconds }: WorkspaceConfig): ObjectStore {
  return 'folder' in objects
    ? createDirectoryObjects(objects.folder)
    : createS3Objects({ ...objects, timeoutSeconds });
}
