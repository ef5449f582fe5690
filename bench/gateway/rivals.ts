import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Rival {
  name: string;
  command: string[];
  env: Record<string, string>;
  port: number;
  path: string;
  headers: Record<string, string>;
  model: string;
}

async function install(
  folder: string,
  packages: string[],
  overrides: Record<string, string> = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }));
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd: folder });
}

/** claude-code-router: Anthropic in, Chat Completions out, as here. */
export async function installRouter(root: string, upstream: string): Promise<Rival> {
  const folder = join(root, 'router');
  await install(folder, ['@musistudio/claude-code-router@2.0.0']);
  const home = join(root, 'router-home');
  await mkdir(join(home, '.claude-code-router'), { recursive: true });
  const port = 39_456;
  await writeFile(
    join(home, '.claude-code-router', 'config.json'),
    JSON.stringify({
      PORT: port,
      HOST: '127.0.0.1',
      LOG: false,
      APIKEY: 'bench',
      Providers: [
        { name: 'fake', api_base_url: `${upstream}/v1/chat/completions`, api_key: 'k', models: ['m'] },
      ],
      Router: { default: 'fake,m' },
    }),
  );
  return {
    name: 'claude-code-router 2.0.0',
    command: [join(folder, 'node_modules', '.bin', 'ccr'), 'start'],
    env: { HOME: home },
    port,
    path: '/v1/messages',
    headers: { 'x-api-key': 'bench' },
    model: 'fake,m',
  };
}

/** Portkey: measured on its Messages endpoint in front of the Chat Completions upstream. */
export async function installPortkey(root: string, upstream: string): Promise<Rival> {
  const folder = join(root, 'portkey');
  // Its streaming needs these two, which its own ranges no longer choose.
  await install(folder, ['@portkey-ai/gateway@1.15.2'], { hono: '4.9.7', '@hono/node-server': '1.13.5' });
  const port = 39_457;
  return {
    name: 'Portkey 1.15.2 (chat completions)',
    command: [
      process.execPath,
      join(folder, 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js'),
      '--headless',
      `--port=${port}`,
    ],
    env: {},
    port,
    path: '/v1/chat/completions',
    headers: {
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${upstream}/v1`,
      authorization: 'Bearer k',
    },
    model: 'm',
  };
}
