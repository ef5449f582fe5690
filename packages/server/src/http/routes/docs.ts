import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { problem } from '../../errors.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { openApiDocument } from '../openapi.ts';

/** The files that the two pages load, by their name here: from installed packages, never from a CDN. */
const ASSETS = new Map([
  ['swagger-ui.css', { file: 'swagger-ui-dist/swagger-ui.css', type: 'text/css; charset=utf-8' }],
  [
    'swagger-ui-bundle.js',
    { file: 'swagger-ui-dist/swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8' },
  ],
  [
    'redoc.standalone.js',
    { file: 'redoc/bundles/redoc.standalone.js', type: 'text/javascript; charset=utf-8' },
  ],
]);

/** Whatever future versions of the two packages want: the pages load nothing from other hosts. */
const FROM_HERE_ONLY =
  "default-src 'self' 'unsafe-inline' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/** ReDoc's own logo comes from a CDN and cannot be turned off. */
const REDOC_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg';
const NO_LOGO = 'data:image/svg+xml,%3Csvg%20xmlns=%22http://www.w3.org/2000/svg%22/%3E';

const page = (title: string, head: string, body: string): Response =>
  new Response(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">${head}</head><body>${body}</body></html>`,
    { headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': FROM_HERE_ONLY } },
  );

export function docRoutes(app: Hono<HttpEnv>, { version }: AppDeps): void {
  const require = createRequire(import.meta.url);

  // Built on first use: most servers never need it.
  let document: ReturnType<typeof openApiDocument> | undefined;
  mount(app, routes.openapi, () => {
    document ??= openApiDocument(version);
    return document;
  });

  mount(app, routes.docs, () =>
    page(
      'claude-agent-server: API',
      '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">',
      `<div id="ui"></div><script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true });</script>`,
    ),
  );

  mount(app, routes.redoc, () =>
    page(
      'claude-agent-server: API reference',
      '',
      `<redoc spec-url="/openapi.json" disable-google-font="true"></redoc>
<script src="/docs/assets/redoc.standalone.js"></script>`,
    ),
  );

  app.get('/docs/assets/:name', async (c) => {
    const asset = ASSETS.get(c.req.param('name'));
    if (!asset) throw problem('route_not_found', { route: c.req.path });
    const text = await readFile(require.resolve(asset.file), 'utf8');
    return c.body(text.replaceAll(REDOC_LOGO, NO_LOGO), 200, {
      'content-type': asset.type,
      'cache-control': 'public, max-age=3600',
    });
  });
}
