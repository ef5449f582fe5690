import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['claude-agent-source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['claude-agent-source', 'node', 'import', 'default'] } },
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', '{examples,bench,scripts}/**/*.test.ts'],
    globalSetup: ['packages/server/test/support/no-leaks.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
