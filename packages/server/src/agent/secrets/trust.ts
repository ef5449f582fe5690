import { existsSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import type { Env } from '../environment.ts';
import { type Authority, createAuthority } from './authority.ts';

/** Which certificates count: those of servers for us, and ours for agents with secrets. */
export interface Trust {
  /** Made on first use. */
  open(): Promise<{ authority: Authority; trusted: SecureContext; file: string }>;
  /** Where agents find the file. */
  path: string;
  /** Variables that lead programs to it. */
  environment: Readonly<Record<string, string>>;
}

/** Where systems keep what they trust, in one file. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Not below a folder that a sandbox shows read-only: the path must be made there. */
const PATH = '/etc/claude-agent-server/certificates.pem';

/** OpenSSL and Go; Node; curl; Python's requests and pip; git; the AWS tools; cargo; Deno. */
const VARIABLES = [
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'DENO_CERT',
];

/** @param file where the bundle is written that agents get */
export function createTrust(env: Env, file: string): Trust {
  let made: ReturnType<Trust['open']> | undefined;
  const make = async (): ReturnType<Trust['open']> => {
    const texts = trustedTexts(env);
    const authority = await createAuthority();
    await writeFile(file, [...texts, authority.certificate].join('\n'));
    // Agents may run as other users; there is no secret in it.
    await chmod(file, 0o644);
    return { authority, trusted: createSecureContext({ ca: texts }), file };
  };
  return {
    path: PATH,
    environment: Object.fromEntries(VARIABLES.map((name) => [name, PATH])),
    open() {
      made ??= make().catch((error: unknown) => {
        made = undefined;
        throw error;
      });
      return made;
    },
  };
}

/** What programs on this machine trust, the server's environment included. */
function trustedTexts(env: Env): string[] {
  const read = (path: string | undefined): string[] =>
    path && existsSync(path) ? [readFileSync(path, 'utf8')] : [];
  const bundle = read(env.SSL_CERT_FILE || BUNDLES.find((path) => existsSync(path)));
  return [...(bundle.length > 0 ? bundle : [rootCertificates.join('\n')]), ...read(env.NODE_EXTRA_CA_CERTS)];
}
