import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { firstFrame, script } from './support/api.ts';
import { WAIT } from './support/processes.ts';
import { type Prometheus, promtool, startPrometheus, withoutPrometheus } from './support/prometheus.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const DEPLOY = fileURLToPath(new URL('../../../deploy', import.meta.url));
const fileOf = (name: string): string => readFileSync(`${DEPLOY}/${name}`, 'utf8');
const KEY = 'key-of-the-scraper';
const headers = { authorization: `Bearer ${KEY}` };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ args: ['--demo'], env: { AGENT_SERVER_API_KEY: KEY } });
});
afterAll(() => cleanUp(server));

const call = <T = Record<string, unknown>>(method: string, path: string, body?: unknown) =>
  server.call<T>(method, path, body, { headers });
const scrape = async (): Promise<string> => (await call<string>('GET', '/metrics')).body;

/** The value of one series; 0 for one that is not there. */
async function seriesOf(series: string): Promise<number> {
  const line = (await scrape()).split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length) ?? 0);
}

const create = async (more: Record<string, unknown> = {}): Promise<string> =>
  (await call<{ session_id: string }>('POST', '/sessions', more)).body.session_id;
const send = (id: string, message: string) => call('POST', `/sessions/${id}/messages`, { message });

describe('GET /metrics', () => {
  test('needs a key, as everything else', async () => {
    expect((await server.call('GET', '/metrics')).status).toBe(401);
    const { status, headers: answered } = await call('GET', '/metrics');
    expect(status).toBe(200);
    expect(answered.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  test('counts turns by their result, with their first token, tokens and model calls', async () => {
    const id = await create();
    const turns = 'claude_agent_turns_total{result="completed"}';
    const before = await seriesOf(turns);
    await send(id, 'hello');
    await send(id, 'again');
    expect((await seriesOf(turns)) - before).toBe(2);
    expect(await seriesOf('claude_agent_first_token_seconds_count')).toBe(before + 2);
    expect(await seriesOf('claude_agent_turn_duration_seconds_count{result="completed"}')).toBe(before + 2);
    expect(await seriesOf('claude_agent_turn_queue_seconds_count')).toBe(before + 2);
    expect(await seriesOf('claude_agent_tokens_total{model="demo",type="output"}')).toBeGreaterThan(0);
    expect(await seriesOf('claude_agent_model_calls_total{provider="demo",status="200"}')).toBeGreaterThan(1);
    expect(await seriesOf('claude_agent_agent_processes')).toBeGreaterThan(0);
    expect(await seriesOf('claude_agent_agent_starts_total')).toBeGreaterThan(0);
    expect(await seriesOf('claude_agent_agent_memory_bytes')).toBeGreaterThan(50 * 1024 ** 2);
    expect(await seriesOf('claude_agent_sessions_open')).toBeGreaterThan(0);
    expect(await seriesOf('claude_agent_store_writes_total{outcome="ok"}')).toBeGreaterThan(4);
  });

  test('counts requests by the path of their route, however many ids callers think of', async () => {
    const route = '/sessions/{session_id}/status';
    await Promise.all(Array.from({ length: 20 }, (_, at) => call('GET', `/sessions/unknown-${at}/status`)));
    await Promise.all(Array.from({ length: 20 }, (_, at) => call('GET', `/nowhere-${at}`)));
    const text = await scrape();
    expect(text).toContain(`claude_agent_http_requests_total{method="GET",route="${route}",status="404"} 20`);
    expect(text).toContain('claude_agent_http_requests_total{method="GET",route="none",status="404"} 20');
    expect(text).not.toContain('unknown-');
  });

  test('tells which permissions wait, for how long, and how they ended', async () => {
    const id = await create({ permission_mode: 'default' });
    const stream = await server.openStream(`/sessions/${id}/events`, { headers });
    const running = send(id, script({ tools: [{ name: 'Bash', input: { command: 'touch made' } }] }));
    const { data } = await firstFrame(stream, ({ event }) => event === 'permission.requested');
    expect(await seriesOf('claude_agent_permissions_pending{kind="tool"}')).toBe(1);
    expect(await seriesOf('claude_agent_sessions{state="waiting"}')).toBe(1);
    await vi.waitFor(
      async () => expect(await seriesOf('claude_agent_permission_oldest_seconds')).toBeGreaterThan(0.05),
      WAIT,
    );
    await call('POST', `/sessions/${id}/permissions/respond`, {
      request_id: data.data.request_id,
      allowed: false,
    });
    await running;
    expect(await seriesOf('claude_agent_permissions_pending{kind="tool"}')).toBe(0);
    expect(await seriesOf('claude_agent_permission_oldest_seconds')).toBe(0);
    expect(await seriesOf('claude_agent_permissions_settled_total{state="denied",reason="answered"}')).toBe(
      1,
    );
    expect(await seriesOf('claude_agent_permission_wait_seconds_count{state="denied"}')).toBe(1);
  });
});

const missing = withoutPrometheus();
describe.skipIf(missing !== undefined)(`with a real Prometheus ${missing ?? ''}`.trim(), () => {
  let prometheus: Prometheus;
  beforeAll(async () => {
    const configuration = fileOf('prometheus/prometheus.yml')
      .replaceAll('15s', '1s')
      .replace('127.0.0.1:8000', new URL(server.url).host);
    prometheus = await startPrometheus(configuration, {
      'alerts.yml': fileOf('prometheus/alerts.yml'),
      'api-key': KEY,
    });
  });
  afterAll(() => prometheus?.stop());

  test('it scrapes with the configuration of deploy/prometheus', async () => {
    const id = await create();
    await send(id, 'hello');
    const turns = await seriesOf('claude_agent_turns_total{result="completed"}');
    await vi.waitFor(async () => {
      expect(await prometheus.targets()).toMatchObject([{ health: 'up', lastError: '' }]);
      const [scraped] = await prometheus.query('claude_agent_turns_total{result="completed"}');
      expect(scraped?.value).toBe(turns);
    }, WAIT);
  });

  test('the alerts are valid, and none of them rings on a healthy server', async () => {
    expect(promtool(['check', 'rules', `${DEPLOY}/prometheus/alerts.yml`])).toContain('SUCCESS');
    for (const expr of alertQueries()) expect(await prometheus.query(expr), expr).toEqual([]);
  });

  test('the metrics follow the conventions', async () => {
    // promtool counts names that end in _total or have no unit; it says nothing when all is well.
    expect(promtool(['check', 'metrics'], ownLines(await scrape()))).toBe('');
  });

  test('Prometheus understands every query of the dashboard', async () => {
    for (const expr of panelQueries()) {
      const concrete = expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
      await expect(prometheus.query(concrete), concrete).resolves.toBeInstanceOf(Array);
    }
  });
});

test('the dashboard and the alerts name only metrics that the server has', async () => {
  const text = await scrape();
  const named = [...alertQueries(), ...panelQueries()].flatMap(
    (expr) => expr.match(/\b(?:claude_agent|nodejs|process)_\w+/g) ?? [],
  );
  expect(named.length).toBeGreaterThan(40);
  for (const name of named) {
    const base = name.replace(/_bucket$/, '');
    expect(text, name).toContain(`# TYPE ${base} `);
  }
});

test('the documentation lists every metric of the server', async () => {
  const documented = readFileSync(`${DEPLOY}/../docs/observability.md`, 'utf8');
  const names = [...(await scrape()).matchAll(/^# TYPE (claude_agent_\w+) /gm)].map(([, name]) => name);
  expect(names.filter((name) => !documented.includes(`\`${name}`))).toEqual([]);
});

/** What the alerts ask. */
function alertQueries(): string[] {
  const { groups } = parse(fileOf('prometheus/alerts.yml')) as { groups: { rules: { expr: string }[] }[] };
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
}

function panelQueries(): string[] {
  const { panels } = JSON.parse(fileOf('grafana/dashboard.json')) as {
    panels: { targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** Without the metrics of Node itself: their names are not ours. */
const ownLines = (text: string): string =>
  `${text
    .split('\n')
    .filter((line) => line.includes('claude_agent_'))
    .join('\n')}\n`;
