import type { PermissionMode, SessionOptions } from 'claude-agent-client';
import { AppError } from '../errors.ts';
import type { SessionRecord } from '../store/store.ts';
import type { Folders } from './folders.ts';

/** What the configuration lets callers do. */
export interface Allowed {
  /** bypassPermissions; Claude Code refuses it to root outside a sandbox. */
  bypass: 'allowed' | 'forbidden' | 'needs-sandbox';
  /** Sessions in which what the folder brings may run. */
  trustProject: boolean;
}

/** What sessions may do: asked when they are made, and again at every start of an agent. */
export interface Policy {
  /** @throws AppError 403 */
  checkMode(mode: PermissionMode): void;
  /** @throws AppError 403 */
  checkOptions(options: SessionOptions): void;
  /**
   * Checks a session before its agent starts: folders change, and so does the configuration between two starts of
   * the server.
   * @throws AppError 403 for what is not allowed (any more), 409 when its folder is gone
   */
  checkStart(session: Pick<SessionRecord, 'cwd' | 'permissionMode' | 'options'>): Promise<void>;
}

export function createPolicy(allowed: Allowed, folders: Folders): Policy {
  const policy: Policy = {
    checkMode(mode) {
      if (mode !== 'bypassPermissions' || allowed.bypass === 'allowed') return;
      if (allowed.bypass === 'needs-sandbox') {
        throw new AppError(
          'bypass_needs_sandbox',
          403,
          'The server runs as root, and Claude Code refuses bypassPermissions to root. Run the server as another user; or, if it is in a sandbox that may be broken, start it with IS_SANDBOX=1.',
        );
      }
      throw new AppError(
        'permission_mode_forbidden',
        403,
        'This server does not allow bypassPermissions. Its administrator can set "allow_bypass_permissions": true in the configuration file.',
      );
    },

    checkOptions({ trust_project }) {
      if (trust_project && !allowed.trustProject) {
        throw new AppError(
          'trust_forbidden',
          403,
          'This server does not let sessions trust their folder: its hooks, settings, MCP servers and programs would run unasked. Its administrator can set "allow_trust_project": true in the configuration file.',
        );
      }
    },

    async checkStart({ cwd, permissionMode, options }) {
      policy.checkMode(permissionMode);
      policy.checkOptions(options);
      await folders.recheck(cwd);
      for (const folder of options.additional_directories ?? []) {
        await folders.check(folder).catch((error: unknown) => {
          if (!(error instanceof AppError) || error.code !== 'cwd_not_found') throw error;
          throw new AppError(
            'cwd_gone',
            409,
            `The session's additional folder ${folder} is gone, so its agent does not start. Put the folder back, or begin a session without it.`,
          );
        });
      }
    },
  };
  return policy;
}
