import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { serveStatic } from '@hono/node-server/serve-static';
import { routes } from 'claude-agent-protocol';
import { endpoints } from 'claude-agent-protocol/endpoints';
import type { Context, Hono } from 'hono';
import { problem } from '../../errors.ts';
import type { HttpEnv } from '../auth.ts';
import { mount } from '../mount.ts';

/** Where the console is, below the server's own address. */
export const CONSOLE = endpoints.console.path;

/**
 * Nothing from other hosts, no script but the files, no style but the files and those that carry the nonce.
 * Pictures may be data: or blob:, as those that a reader attaches to a message are.
 */
const policy = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');

/** Files whose name has a hash of their content never change. */
const HASHED = '/assets/';

/** With the slash at its end, which the framework's own path leaves out: it counts for what is relative. */
const pathOf = (c: Context<HttpEnv>): string => new URL(c.req.url).pathname;

/** The console: files that `packages/console` builds. They hold nothing secret; what they show is asked for with a key. */
export function consoleRoutes(app: Hono<HttpEnv>): void {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('claude-agent-console/package.json')),
    'dist',
  );
  let index: Promise<string> | undefined;

  const page = async (c: Context<HttpEnv>): Promise<Response> => {
    if (!existsSync(join(folder, 'index.html'))) throw problem('console_not_built');
    index ??= readFile(join(folder, 'index.html'), 'utf8');
    const nonce = randomBytes(16).toString('base64');
    // Relative, so that it stays below the path prefix of a proxy: "/console/sessions/ID" is two steps below the page's own files.
    const steps = pathOf(c).split('/').length - 3;
    const base = steps < 0 ? 'console/' : '../'.repeat(steps) || './';
    const html = (await index)
      .replace('<base href="./">', `<base href="${base}">`)
      .replace('<meta name="nonce" content="">', `<meta name="nonce" content="${nonce}">`);
    return c.body(html, 200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy(nonce),
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
  };

  mount(app, routes.console, (_, c) => page(c));
  app.get(`${CONSOLE}/*`, (c, next) => (/\.\w+$/.test(pathOf(c)) ? next() : page(c)));

  const files = serveStatic<HttpEnv>({
    root: folder,
    precompressed: true,
    rewriteRequestPath: (path) => path.slice(CONSOLE.length),
    onFound(_, c) {
      const keep = c.req.path.includes(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache';
      c.header('cache-control', keep);
      c.header('x-content-type-options', 'nosniff');
    },
  });
  app.get(`${CONSOLE}/*`, files, (c) => {
    throw problem('route_not_found', { route: `GET ${c.req.path}` });
  });
}
