import { randomBytes } from 'node:crypto';
import { mayGoTo, type SecretHost } from '../../outbound/secret-hosts.ts';

/** A secret of a session as its sandbox's proxy knows it. */
export interface SessionSecret {
  /** The variable that holds the placeholder. */
  name: string;
  placeholder: string;
  value: string;
  hosts: readonly SecretHost[];
}

/** Where a request goes. */
export interface Target {
  host: string;
  port: number;
  isPlain: boolean;
}

/** Letters, digits and underscores only: nothing on its way needs to escape it. */
export const newPlaceholder = (): string => `SECRET_PLACEHOLDER_${randomBytes(16).toString('hex')}`;

/** What the environment of an agent holds of its secrets. */
export const placeholdersOf = (secrets: readonly SessionSecret[]): Record<string, string> =>
  Object.fromEntries(secrets.map(({ name, placeholder }) => [name, placeholder]));

/** The secrets that may go to a target. */
export const secretsFor = (secrets: readonly SessionSecret[], target: Target): SessionSecret[] =>
  secrets.filter(({ hosts }) => mayGoTo(hosts, target));

const put = (text: string, secrets: readonly SessionSecret[], encode = (value: string) => value): string =>
  secrets.reduce(
    (filled, { placeholder, value }) => filled.replaceAll(placeholder, () => encode(value)),
    text,
  );

const BASIC = /^(basic +)([a-z0-9+/]+=*) *$/i;

/** Puts values into a header; Basic credentials are decoded for that. */
export function fillHeader(value: string, secrets: readonly SessionSecret[]): string {
  const [, scheme, credentials] = BASIC.exec(value) ?? [];
  if (scheme === undefined || credentials === undefined) return put(value, secrets);
  const decoded = Buffer.from(credentials, 'base64').toString('latin1');
  const filled = put(decoded, secrets);
  return filled === decoded ? value : scheme + Buffer.from(filled, 'latin1').toString('base64');
}

/** Puts values into the query of a path. The path itself is often repeated in answers. */
export function fillPath(path: string, secrets: readonly SessionSecret[]): string {
  const at = path.indexOf('?');
  return at < 0 ? path : path.slice(0, at) + put(path.slice(at), secrets, encodeURIComponent);
}

/** Takes values out of a header of an answer again. */
export const conceal = (value: string, secrets: readonly SessionSecret[]): string =>
  secrets.reduce(
    (concealed, secret) =>
      concealed
        .replaceAll(secret.value, secret.placeholder)
        .replaceAll(encodeURIComponent(secret.value), secret.placeholder),
    value,
  );

/** `${NAME}` in the variables and headers of MCP servers stands for the placeholder of that secret. */
export function withPlaceholders<T>(servers: T, secrets: readonly SessionSecret[]): T {
  if (secrets.length === 0) return servers;
  const known = new Map(secrets.map(({ name, placeholder }) => [name, placeholder]));
  const replace = (text: string): string =>
    text.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => known.get(name) ?? whole);
  const walk = (part: unknown): unknown => {
    if (typeof part === 'string') return replace(part);
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, walk(value)]));
  };
  return walk(servers) as T;
}
