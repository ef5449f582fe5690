import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import { type Config, ConfigError, readConfig } from './config.ts';
import { startServer } from './server.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-start-')));
afterAll(() => rmSync(base, { recursive: true }));
const silent = pino({ level: 'silent' });

function configOf(home: string): Config {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: base,
    CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
  };
  const config = readConfig(['--demo', '--port', '0', '--home', home, '--root', base], env);
  if (config === 'help') throw new Error('no help was asked for');
  return config;
}

test('a start that fails at the database lets go of the home', async () => {
  const home = join(base, 'broken');
  mkdirSync(home);
  writeFileSync(join(home, 'server.db'), 'this is no database'.repeat(99));
  await expect(startServer(configOf(home), silent)).rejects.toThrow(ConfigError);
  rmSync(join(home, 'server.db'));
  const server = await startServer(configOf(home), silent);
  await server.close();
});
