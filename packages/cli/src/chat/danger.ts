import type { PermissionRequest } from 'claude-agent-protocol';

/** Commands that can destroy what nobody can bring back. A warning for the eye, not a lock. */
const DANGEROUS: readonly (readonly [RegExp, string])[] = [
  [/\brm\s+(?:-\w*[rRf]|--recursive|--force)/, 'deletes files without asking'],
  [/\bsudo\b|\bdoas\b/, 'runs as administrator'],
  [/\bgit\s+push\b.*(?:--force|\s-f\b|\s\+)/, 'overwrites a remote branch'],
  [/\bgit\s+(?:reset\s+--hard|clean\s+-\w*f|checkout\s+(?:--\s+)?\.)/, 'throws uncommitted work away'],
  [/\b(?:curl|wget)\b[^|;&]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b/, 'runs a program straight from the network'],
  [/\b(?:mkfs\S*|fdisk|parted)\b|\bdd\b.*\bof=\/dev\//, 'writes to a disk directly'],
  [/>\s*\/dev\/(?:sd|nvme|disk)/, 'writes to a disk directly'],
  [/\bch(?:mod|own)\s+(?:-\w*R|--recursive)/, 'changes permissions of a whole folder'],
  [/:\s*\(\s*\)\s*\{.*\|.*&.*\}/, 'fills the machine with processes'],
  [/\b(?:shutdown|reboot|halt|poweroff)\b/, 'turns the machine off'],
  [/\b(?:DROP|TRUNCATE)\s+(?:TABLE|DATABASE|SCHEMA)\b/i, 'deletes data of a database'],
  [/\bkill(?:all)?\s+-9|\bpkill\b/, 'ends other programs'],
];

const SECRET_FILES =
  /(?:^|\/)(?:\.ssh|\.aws|\.gnupg|\.config\/gcloud)(?:\/|$)|(?:^|\/)(?:\.env(?:\.\w+)?|id_(?:rsa|ed25519)|\.netrc|\.npmrc)$/;

/** Why a request deserves a second look; undefined when nothing speaks for it. */
export function dangerOf(request: Pick<PermissionRequest, 'tool_name' | 'tool_input'>): string | undefined {
  const { tool_name: name, tool_input: input } = request;
  const command = input.command;
  if (name === 'Bash' && typeof command === 'string') {
    return DANGEROUS.find(([pattern]) => pattern.test(command))?.[1];
  }
  const file = input.file_path;
  if (typeof file === 'string' && SECRET_FILES.test(file)) return 'touches a file that usually holds secrets';
  return undefined;
}
