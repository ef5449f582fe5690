import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['claude-agent-source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['claude-agent-source', 'node', 'import', 'default'] } },
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', '{examples,bench,scripts}/**/*.test.ts'],
    globalSetup: ['packages/server/test/support/no-leaks.ts'],
    // Much of a test is waiting for an agent to start or to end: with one worker a core, a quarter of the processor is
    // idle. (A percentage is capped at one worker a core.)
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    // Each concurrent test may run an agent process of 180 MB.
    maxConcurrency: 4,
    // An agent takes a second to ask, on a busy machine more.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
