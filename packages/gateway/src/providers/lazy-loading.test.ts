import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Runs in a process of its own, where nothing is loaded yet, and prints what each step loads. */
const script = `
  import { registerHooks } from 'node:module';
  const loaded = new Set();
  registerHooks({
    load(url, context, next) {
      const name = /node_modules\\/(@[^/]+\\/[^/]+|[^/]+)\\/(?!.*node_modules)/.exec(url)?.[1];
      if (name) loaded.add(name);
      return next(url, context);
    },
  });
  const report = () => {
    const names = [...loaded].filter((name) => /ai-sdk|genai-prices|anthropic/.test(name));
    loaded.clear();
    return names.sort();
  };
  const { createGateway } = await import('./src/gateway.ts');
  const { createConfig } = await import('./src/config.ts');
  const { dialectFixtures } = await import('./src/testing/dialects.ts');
  const reports = { start: report() };
  let fixture;
  const gateway = createGateway({
    config: createConfig({
      providers: Object.fromEntries(dialectFixtures.map((f) => ['fake-' + f.name, f.provider('http://up.test')])),
      retries: 0,
    }),
    onUsage() {},
    transport: async () => ({
      status: 200,
      headers: { 'content-type': fixture.contentType },
      body: (async function* () {
        yield fixture.stream({ text: 'Hi', usage: { input: 10, cached: 0, output: 2 } });
      })(),
    }),
  });
  for (const name of ['anthropic', 'openai-chat', 'openai-responses', 'cohere', 'amazon-bedrock', 'google']) {
    fixture = dialectFixtures.find((f) => f.name === name);
    const body = { model: 'fake-' + name + '/m', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] };
    const response = await gateway.fetch(new Request('http://g/v1/messages', { method: 'POST', body: JSON.stringify(body) }));
    if (response.status !== 200) throw new Error(await response.text());
    await response.text();
    await new Promise(setImmediate);
    reports[name] = report();
  }
  console.log(JSON.stringify(reports));
`;

test('the package of a provider is loaded when its first request comes', () => {
  const output = execFileSync(
    process.execPath,
    ['--conditions=claude-agent-source', '--input-type=module', '--eval', script],
    { cwd: new URL('../..', import.meta.url).pathname, encoding: 'utf8' },
  );
  const reports = JSON.parse(output) as Record<string, string[]>;
  expect(reports.start).toEqual([]);
  expect(reports.anthropic?.filter((name) => name !== '@pydantic/genai-prices')).toEqual([]);
  expect(reports['openai-chat']).toEqual([]);
  expect(reports['openai-responses']).toEqual([]);
  expect(reports.cohere).toContain('@ai-sdk/cohere');
  expect(reports.cohere).not.toContain('@ai-sdk/google');
  expect(reports['amazon-bedrock']).toContain('@ai-sdk/amazon-bedrock');
  expect(reports.google).toContain('@ai-sdk/google');
  expect(Object.values(reports).flat()).not.toContain('@ai-sdk/google-vertex');
});
