import type { UsageRecord } from 'claude-agent-gateway';
import { expect, test } from 'vitest';
import { openSqliteStore } from '../store/sqlite.ts';
import { createAccounts } from './accounts.ts';

const call = (sessionId: string, tokens: number): UsageRecord => ({
  request_id: 'req_1',
  subject: { sessionId },
  session_id: sessionId,
  agent_id: undefined,
  parent_agent_id: undefined,
  requested_model: 'm',
  provider: 'p',
  model: 'm',
  stream: true,
  input_tokens: tokens,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  cost_usd: 1,
  latency_ms: 1,
  ttft_ms: 1,
  status: 200,
  error: undefined,
});

test('calls are kept for the process that is metered, and for no other', async () => {
  const accounts = createAccounts({
    store: openSqliteStore(':memory:'),
    keyBudget: async () => undefined,
    limits: { dayBudgets: async () => [], requireTokens: async () => {} },
    onError: (error) => {
      throw error;
    },
  });
  const first = accounts.meter('s');
  accounts.book(call('s', 1));
  first.end();
  // Late, of a process that is gone: nobody will ever ask for it.
  accounts.book(call('s', 2));
  const second = accounts.meter('s');
  accounts.book(call('s', 3));
  // Ending the earlier meter does not end this one.
  first.end();
  accounts.book(call('s', 4));
  expect((await second.take()).map((row) => row.inputTokens)).toEqual([3, 4]);
  expect(await second.take()).toEqual([]);
});
