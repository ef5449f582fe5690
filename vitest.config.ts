import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['claude-agent-source', 'node', 'default'] },
  ssr: { resolve: { conditions: ['claude-agent-source', 'node', 'default'] } },
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', '{examples,bench,scripts}/**/*.test.ts'],
    // Ended in the other order.
    globalSetup: [
      'packages/server/test/support/scratch.ts',
      'packages/server/test/support/no-leaks.ts',
      'packages/server/test/support/postgres.ts',
    ],
    // Three workers on two cores were no quicker (406 to 427 s, two took 428 s), and a terminal test failed once.
    maxWorkers: '100%',
    // Each concurrent test may run an agent process of 180 MB.
    maxConcurrency: 4,
    // An agent takes a second to ask, on a busy machine more.
    expect: { poll: { timeout: 20_000 } },
    // What takes 3 s on a quiet machine took 30 s at a load of 50. Only a test that hangs waits for this.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
