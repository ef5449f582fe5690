import { existsSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { EVENTS, LIVE_FRAMES, problemsOf, type RouteSpec, routes } from 'claude-agent-protocol';
import { ERROR_TYPES } from 'claude-agent-protocol/anthropic-errors';
import { type ProblemCode, problems } from 'claude-agent-protocol/problems';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

interface Operation {
  operationId: string;
  summary: string;
  parameters?: { name: string; in: string; required: boolean; description?: string }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
  responses: Record<string, Answer>;
}
interface Answer {
  $ref?: string;
  description: string;
  content?: Record<string, { schema?: unknown }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; responses: Record<string, Answer> };
}

/** The statuses of the gateway, and those that the server itself adds. */
const ANTHROPIC = [...Object.keys(ERROR_TYPES), '405', '415', '503'];

let server: TestServer;
let document: Document;
beforeAll(async () => {
  server = await startTestServer();
  document = (await server.call<Document>('GET', '/openapi.json')).body;
});
afterAll(() => cleanUp(server));

/** The codes that the document names for a status of a route. */
function codesOf({ method, path }: RouteSpec, status: string): ProblemCode[] {
  const given = document.paths[path]?.[method.toLowerCase()]?.responses[status];
  const answer = given?.$ref ? document.components.responses[given.$ref.split('/').at(-1) ?? ''] : given;
  const schema = answer?.content?.['application/problem+json']?.schema as
    | { allOf: [unknown, { properties: { code: { enum: ProblemCode[] } } }] }
    | undefined;
  return schema?.allOf[1].properties.code.enum ?? [];
}

const all = (Object.entries(routes) as [string, RouteSpec][]).map(([name, spec]) => ({ name, ...spec }));

describe('/openapi.json', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone({ ...document }))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
  });

  // As programs know them: these names never change.
  test.each([
    'POST /sessions',
    'GET /sessions',
    'GET /sessions/available',
    'GET /sessions/{session_id}/status',
    'DELETE /sessions/{session_id}',
    'POST /sessions/{session_id}/messages',
    'POST /sessions/{session_id}/model',
    'POST /sessions/{session_id}/interrupt',
    'POST /sessions/{session_id}/permission_mode',
    'GET /sessions/{session_id}/server_info',
    'POST /sessions/{session_id}/permissions/respond',
    'GET /health',
    'POST /invocations',
    'POST /v1/messages',
    'GET /docs',
    'GET /redoc',
    'GET /openapi.json',
  ])('tells of %s', (call) => {
    const [method = '', path = ''] = call.split(' ');
    expect(document.paths[path]?.[method.toLowerCase()]).toBeDefined();
  });

  test.each(all)('describes $method $path completely', (spec) => {
    const operation = document.paths[spec.path]?.[spec.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: spec.name, summary: spec.summary });
    const failures = [...problemsOf(spec)].map((code) => String(problems[code].status));
    const expected = new Set([...Object.keys(spec.responses), ...(spec.anthropic ? ANTHROPIC : failures)]);
    expect(new Set(Object.keys(operation?.responses ?? {}))).toEqual(expected);
    const named = (place: string) =>
      operation?.parameters?.filter((each) => each.in === place).map(({ name }) => name) ?? [];
    expect(named('path')).toEqual([...spec.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    expect(named('query')).toEqual(Object.keys(spec.query?.shape ?? {}));
    expect(operation?.requestBody !== undefined).toBe(spec.body !== undefined);
  });

  test.each(all.filter(({ anthropic }) => !anthropic))(
    '$method $path names every code of every status',
    (spec) => {
      const declared = Object.groupBy(problemsOf(spec), (code) => String(problems[code].status));
      for (const [status, codes = []] of Object.entries(declared)) {
        const named = codesOf(spec, status);
        expect({ status, codes: named.toSorted() }).toEqual({ status, codes: codes.toSorted() });
      }
    },
  );

  test('describes every parameter, and the headers that an answer comes with', () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    const silent = operations.flatMap(({ parameters = [] }) =>
      parameters.filter((each) => !each.description),
    );
    expect(silent).toEqual([]);
    const { responses } = document.paths['/sessions/{session_id}/messages']?.post ?? {};
    expect(responses?.['202']).toMatchObject({ headers: { Location: { description: expect.any(String) } } });
    expect(document.components.responses.Failure503).toMatchObject({ headers: { 'Retry-After': {} } });
    expect(document.components.responses.Failure405).toMatchObject({ headers: { Allow: {} } });
  });

  test('has a schema of its own for every event and frame of the catalogue', () => {
    const { schemas } = document.components;
    const types = Object.values(schemas).flatMap(
      (schema) => (schema as { properties?: { type?: { const?: string } } }).properties?.type?.const ?? [],
    );
    expect(types).toEqual(expect.arrayContaining([...Object.keys(EVENTS), ...Object.keys(LIVE_FRAMES)]));
  });

  test('describes nothing that does not exist', () => {
    const calls = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(calls.toSorted()).toEqual(all.map(({ method, path }) => `${method} ${path}`).toSorted());
  });

  test('every reference resolves, and every named schema is used', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(new Set(references.map(([, name]) => name))).toEqual(
      new Set(Object.keys(document.components.schemas)),
    );
  });
});

const CHROMIUM = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => path && existsSync(path));

describe.skipIf(!CHROMIUM)('in a real browser (needs an installed Chromium)', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM ?? '',
      // The rest of the world is not needed, and cannot be reached everywhere.
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });
  afterAll(() => browser?.close());

  /** Opens a page, and notes what it asks for elsewhere and what it complains about. */
  const open = async (path: string): Promise<{ page: Page; elsewhere: string[]; complaints: string[] }> => {
    const page = await browser.newPage();
    const elsewhere: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith('http') && origin !== server.url) elsewhere.push(request.url());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.goto(server.url + path);
    return { page, elsewhere, complaints };
  };

  test('/docs shows every route in Swagger UI, loaded from this server only', async () => {
    const { page, elsewhere, complaints } = await open('/docs');
    await page
      .locator('.opblock')
      .nth(all.length - 1)
      .waitFor();
    expect(await page.locator('.opblock').count()).toBe(all.length);
    // An opened call shows its body's form, so its references were found.
    await page.locator('#operations-sessions-createSession .opblock-summary-control').click();
    await page.getByText('permission_timeout_seconds').first().waitFor();
    expect(await page.locator('.errors-wrapper').count()).toBe(0);
    expect({ elsewhere, complaints }).toEqual({ elsewhere: [], complaints: [] });
  });

  test('/redoc shows every route in ReDoc, loaded from this server only', async () => {
    const { page, elsewhere, complaints } = await open('/redoc');
    // Most are in folded groups of the menu. One look at the whole page: it is so large that each look takes a tenth of a second.
    const absent = (summaries: string[]): string[] => {
      const page = globalThis.document;
      const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
      const texts = new Set<string | undefined>();
      while (walker.nextNode()) texts.add(walker.currentNode.nodeValue?.trim());
      return summaries.filter((summary) => !texts.has(summary));
    };
    const summaries = all.map(({ summary }) => summary);
    await expect.poll(() => page.evaluate(absent, summaries), { interval: 250 }).toEqual([]);
    expect(await page.locator('h1').first().textContent()).toContain('claude-agent-server');
    expect({ elsewhere, complaints }).toEqual({ elsewhere: [], complaints: [] });
  });
});

describe.each(TRANSPORTS)('$way', ({ over }) => {
  let api: Transport;
  beforeAll(() => {
    api = over(server);
  });

  describe('GET /docs, /redoc and /openapi.json', () => {
    test.each(['/docs', '/redoc'])('%s is a page', async (path) => {
      const { status: code, headers, body } = await api.call<string>('GET', path);
      expect(code).toBe(200);
      expect(headers.get('content-type')).toContain('text/html');
      expect(body).toContain('/openapi.json');
    });

    test('/openapi.json is an OpenAPI 3.1 document', async () => {
      const { body } = await api.call('GET', '/openapi.json');
      expect(body.openapi).toMatch(/^3\.1\./);
      expect(Object.keys(body.paths as object)).toContain('/sessions/{session_id}/permissions/respond');
    });
  });
});
