import { spawnSync } from 'node:child_process';

/** Whether this machine can make sandboxes. Continuous integration says that it must. */
export const HAS_BUBBLEWRAP =
  spawnSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', 'true']).status === 0;

if (!HAS_BUBBLEWRAP && process.env.CLAUDE_TEST_NEEDS_BUBBLEWRAP === '1') {
  throw new Error('bubblewrap is missing, or cannot make a sandbox here. Install bubblewrap.');
}

/** Whether the servers of this run put their agents into a sandbox unless a test says otherwise (CLAUDE_TEST_SANDBOX). */
export const IN_SANDBOX = (process.env.CLAUDE_TEST_SANDBOX ?? 'off') !== 'off';
