import type { PermissionMode, SessionOptions } from 'claude-agent-client';
import { AppError } from '../errors.ts';
import type { SessionRecord } from '../store/store.ts';
import type { Folders } from './folders.ts';

/** What the configuration lets callers do. */
export interface Allowed {
  /** bypassPermissions; Claude Code refuses it to root outside a sandbox. */
  bypass: 'allowed' | 'forbidden' | 'needs-sandbox';
  /** The mode in which a model decides what runs. */
  auto: boolean;
  /** Sessions in which what the folder brings may run. */
  trustProject: boolean;
  /** What callers may let run unasked, besides what only reads: all of it, or these tools and rules. */
  unaskedTools: true | readonly string[];
  /** Whether callers may have commands started, as MCP servers. */
  commands: boolean;
}

/** They change nothing and send nothing anywhere. */
const READS = ['Read', 'Glob', 'Grep', 'LS', 'NotebookRead', 'TodoWrite'];

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
  const mayRunUnasked = (rule: string): boolean =>
    allowed.unaskedTools === true || [...READS, ...allowed.unaskedTools].some((given) => covers(given, rule));

  const policy: Policy = {
    checkMode(mode) {
      if (mode === 'auto' && !allowed.auto) {
        throw unaskedNotAllowed('the permission mode auto', '"allow_unasked_tools": true');
      }
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

    checkOptions({ trust_project, allowed_tools, mcp_servers }) {
      if (trust_project && !allowed.trustProject) {
        throw new AppError(
          'trust_forbidden',
          403,
          'This server does not let sessions trust their folder: its hooks, settings, MCP servers and programs would run unasked. Its administrator can set "allow_trust_project": true in the configuration file.',
        );
      }
      for (const rule of (allowed_tools ?? []).flatMap(rulesOf)) {
        if (mayRunUnasked(rule)) continue;
        throw unaskedNotAllowed(
          `"${rule}" in allowed_tools`,
          `"allow_unasked_tools": ["${toolOf(rule)}"] (or true, for every tool)`,
        );
      }
      for (const [name, server] of Object.entries(mcp_servers ?? {})) {
        if (allowed.commands || !('command' in server)) continue;
        throw unaskedNotAllowed(`the command of the MCP server "${name}"`, '"allow_commands": true');
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

function unaskedNotAllowed(what: string, key: string): AppError {
  return new AppError(
    'unasked_not_allowed',
    403,
    `This server does not let ${what} run without asking. Its administrator can set ${key} in the configuration file.`,
  );
}

/** Claude Code takes several rules in one text, with commas or spaces outside of brackets between them. */
const rulesOf = (text: string): string[] => text.match(/(?:\([^)]*\)?|[^\s,(])+/g) ?? [];

const toolOf = (rule: string): string => rule.split('(')[0] ?? rule;

/** A tool's name covers every rule for it, an MCP server's name all of its tools. */
function covers(given: string, rule: string): boolean {
  return (
    given === rule || given === toolOf(rule) || (given.startsWith('mcp__') && rule.startsWith(`${given}__`))
  );
}
