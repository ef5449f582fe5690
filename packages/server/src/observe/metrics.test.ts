import { expect, test } from 'vitest';
import type { Change } from '../store/store.ts';
import { createMetrics } from './metrics.ts';

const usageOf = (model: string): Change => ({
  kind: 'add-usage',
  sessionId: 's',
  usage: {
    model,
    inputTokens: 1,
    outputTokens: 2,
    cacheReadInputTokens: 3,
    cacheCreationInputTokens: 4,
    costUsd: 0.5,
  },
});

test('callers cannot make series without end: after 100 models the next ones share one', async () => {
  const metrics = createMetrics('1');
  for (let at = 0; at < 1_000; at++) metrics.onWrite([usageOf(`model-${at}`)], 'ok', 0.001);
  const { text } = await metrics.scrape();
  const dollars = text.split('\n').filter((line) => line.startsWith('claude_agent_cost_dollars_total{'));
  expect(dollars).toHaveLength(101);
  expect(dollars).toContain('claude_agent_cost_dollars_total{model="other"} 450');
});

test('what was not written is not counted', async () => {
  const metrics = createMetrics('1');
  metrics.onWrite([usageOf('m')], 'refused', 0.001);
  metrics.onWrite([usageOf('m')], 'failed', 0.001);
  const { text } = await metrics.scrape();
  expect(text).not.toContain('model="m"');
  expect(text).toContain('claude_agent_store_writes_total{outcome="refused"} 1');
  expect(text).toContain('claude_agent_store_writes_total{outcome="failed"} 1');
});

test('a source that fails or hangs leaves its metric out, and the others are there', async () => {
  const metrics = createMetrics('1');
  metrics.watch({
    sessions: () => ({
      states: new Map([['running', 2]]),
      queuedTurns: 0,
      waitingForAgent: 0,
      pending: [],
      pendingCalls: 0,
      isStuck: true,
    }),
    store: { countSessions: () => Promise.reject(new Error('the disk is gone')) },
    processes: { running: () => 1, started: () => 3, memoryBytes: async () => undefined },
    maxLiveAgents: 5,
  });
  const { text } = await metrics.scrape();
  expect(text).not.toMatch(/^claude_agent_sessions_open /m);
  expect(text).toContain('claude_agent_sessions{state="running"} 2');
  expect(text).toContain('claude_agent_store_stuck 1');
  expect(text).toContain('claude_agent_agent_starts_total 3');
});
