import { spawnSync } from 'node:child_process';
import { HAS_BUBBLEWRAP } from './sandbox.ts';

/** Why agents cannot run as users of their own here; undefined when they can. */
export const NO_TENANT_UIDS: string | undefined =
  process.getuid?.() !== 0
    ? 'the tests do not run as root'
    : !HAS_BUBBLEWRAP
      ? 'there is no bubblewrap'
      : spawnSync('setpriv', ['--version']).status !== 0
        ? 'there is no setpriv'
        : undefined;
