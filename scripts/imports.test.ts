import { describe, expect, test } from 'vitest';
import { circles, forbiddenCircles, problemOf, readImports } from './imports.ts';

const value = (from: string, to: string) => ({ from, to, harmless: false });

describe('the import graph of this repository', () => {
  test('keeps its rules', () => {
    const imports = readImports();
    // a check that reads nothing would pass as well
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.filter((each) => problemOf(each)).map((each) => `${each.from} -> ${each.to}`)).toEqual([]);
    expect(forbiddenCircles(imports)).toEqual([]);
  });
});

describe('the check', () => {
  test.each([
    [
      'the agent SDK anywhere else',
      'packages/server/src/sessions/session.ts',
      '@anthropic-ai/claude-agent-sdk',
    ],
    ['the server in the client', 'packages/client/src/client.ts', 'claude-agent-server'],
    ['the client in the gateway', 'packages/gateway/src/index.ts', 'claude-agent-client'],
    ['another package by its path', 'packages/server/src/main.ts', 'packages/client/src/index.ts'],
    ['http in sessions', 'packages/server/src/sessions/session.ts', 'packages/server/src/http/app.ts'],
    [
      'the pipeline in the routing',
      'packages/gateway/src/routing/route.ts',
      'packages/gateway/src/pipeline/hooks.ts',
    ],
    [
      'the transport in the message format',
      'packages/gateway/src/messages/sse.ts',
      'packages/gateway/src/transport/transport.ts',
    ],
    ['events in the store', 'packages/server/src/store/sqlite.ts', 'packages/server/src/events/log.ts'],
  ])('finds %s', (_, from, to) => {
    expect(problemOf({ from, to })).toBeDefined();
  });

  test('finds circles, but not of types or of what is loaded later', () => {
    expect(circles([value('a', 'b'), value('b', 'c'), value('c', 'a')])).toEqual([['a', 'b', 'c', 'a']]);
    expect(circles([value('a', 'b'), { ...value('b', 'a'), harmless: true }])).toEqual([]);
  });

  test.each(['gateway', 'client', 'cli'])('finds circles of types too in the %s', (name) => {
    const [a, b] = [`packages/${name}/src/http/a.ts`, `packages/${name}/src/http/b.ts`];
    expect(forbiddenCircles([value(a, b), { ...value(b, a), harmless: true }])).toEqual([[a, b, a]]);
  });
});
