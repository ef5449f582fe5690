import type { WorkspaceSource } from 'claude-agent-protocol';
import { problem } from '../errors.ts';

/** A repository to clone. */
export interface Repository {
  /** Without credentials: this is what is kept, shown, and given to git. */
  url: string;
  /** The protocol as git calls it. */
  protocol: 'https' | 'http' | 'ssh' | 'file';
  /** Sent with each request of the clone; nothing keeps it. */
  authorization: string | undefined;
  /** The name of its folder. */
  name: string;
  ref: string | undefined;
}

/** What may be cloned: addresses that begin like one of these. */
export type GitUrls = readonly string[];

/** `git@host:path`, as git writes ssh for short. */
const SCP = /^([\w.-]+@)?([\w.-]+):(?!\/\/)(.+)$/;
/** What git itself refuses in the name of a branch or tag, and what it could take for an option. */
const BAD_REF = /^[-/]|[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|[/.]$|\.lock$/;
/** Names of hosts and users that ssh cannot take for an option. */
const PLAIN = /^[\w.[\]:][\w.[\]:-]*$/;

/**
 * Reads the address of a repository.
 * @throws AppError 422 for one that cannot be used, 403 for one that the configuration does not allow
 */
export function readRepository(
  { git, ref }: Extract<WorkspaceSource, { git: string }>,
  allowed: GitUrls,
): Repository {
  const short = SCP.test(git) && !URL.canParse(git);
  const url = parseUrl(git);
  const protocol = PROTOCOLS[url?.protocol ?? ''];
  const isElsewhere = protocol === 'file' && url?.host !== '';
  if (!url || !protocol || isElsewhere || url.search || url.hash) {
    throw invalid(
      'git',
      'must be an address such as https://host/name.git, ssh://git@host/name.git or file:///folder, without query',
    );
  }
  if (protocol !== 'file' && !PLAIN.test(url.hostname))
    throw invalid('git', 'has a host that cannot be used');
  if (ref !== undefined && BAD_REF.test(ref)) {
    throw invalid('ref', 'cannot be the name of a branch, tag or commit');
  }
  const authorization = credentialsOf(url);
  url.password = '';
  // ssh has no other place for the user's name, and it is not a secret there.
  if (protocol !== 'ssh' || !PLAIN.test(url.username)) url.username = '';
  if (!isAllowed(url, allowed)) throw problem('git_url_not_allowed', { url: url.href, allowed });
  // Its path begins in the user's home, which an ssh address cannot say.
  return { url: short ? git : url.href, protocol, authorization, name: nameOf(url), ref };
}

const PROTOCOLS: Readonly<Record<string, Repository['protocol']>> = {
  'https:': 'https',
  'http:': 'http',
  'ssh:': 'ssh',
  'file:': 'file',
};

function parseUrl(text: string): URL | undefined {
  if (URL.canParse(text)) return new URL(text);
  const [, user = '', host, path] = SCP.exec(text) ?? [];
  const long = `ssh://${user}${host}/${path}`;
  return host !== undefined && URL.canParse(long) ? new URL(long) : undefined;
}

function credentialsOf({ protocol, username, password }: URL): string | undefined {
  if (!/^https?:$/.test(protocol) || (username === '' && password === '')) return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Authorization: Basic ${Buffer.from(pair).toString('base64')}`;
}

/** Compared by their parts: as texts, https://host would allow https://host.elsewhere. */
function isAllowed(url: URL, allowed: GitUrls): boolean {
  return allowed.some((entry) => {
    const [, scheme, host = '', path = ''] = /^(\w+:)\/\/([^/]*)(.*)$/.exec(entry) ?? [];
    if (url.protocol !== scheme) return false;
    if (host !== '' && url.host !== host) return false;
    const prefix = path.replace(/\/+$/, '');
    return url.pathname === prefix || url.pathname.startsWith(`${prefix}/`);
  });
}

/** The last part of the path, as git would name the folder. */
function nameOf({ pathname }: URL): string {
  const last =
    pathname
      .replace(/\/+$/, '')
      .replace(/(\/\.git|\.git)$/, '')
      .split('/')
      .at(-1) ?? '';
  const plain = last.replaceAll(/[^\w.-]/g, '-').replace(/^[.-]+/, '');
  return plain.slice(0, 64) || 'workspace';
}

const invalid = (field: string, message: string) =>
  problem('validation_failed', { errors: [{ path: `body.workspace.${field}`, message }] });
