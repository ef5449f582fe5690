import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkConsole, createCalls, KEY, type Step, until } from './checks.ts';
import type { DockerEngine } from './engine.ts';

/** Runs the compose file with images that are there. */
export async function tryCompose(
  engine: DockerEngine,
  folder: string,
  deploy: string,
  step: Step,
): Promise<void> {
  // docker-compose 1.29, which Debian has, does not know this line.
  const file = join(folder, 'compose.yaml');
  writeFileSync(file, readFileSync(join(deploy, 'compose/compose.yaml'), 'utf8').replace(/^name:.*\n/m, ''));
  const project = ['--project-name', 'try', '--project-directory', join(deploy, 'compose'), '--file', file];
  const env = { POSTGRES_PASSWORD: 'p'.repeat(32), AGENT_SERVER_API_KEY: KEY, ANTHROPIC_API_KEY: '' };
  const compose = (...args: string[]): string => engine.compose([...project, ...args], env);
  const server = createCalls(engine, 'http://127.0.0.1:8080');
  const idOf = (service: string): string => compose('ps', '--quiet', service);
  const isHealthy = (service: string): boolean =>
    engine.docker(['inspect', '--format', '{{.State.Health.Status}}', idOf(service)]) === 'healthy';

  try {
    await step('the compose file starts two nodes, PostgreSQL and the proxy', async () => {
      compose('up', '--detach', '--no-build');
      await until('both nodes', () => isHealthy('node-a') && isHealthy('node-b'));
      await until('the proxy', async () => (await server.call('/ready')).status === 200);
    });
    let session = '';
    await step('a session answers through the proxy, which serves the console', async () => {
      session = await server.createSession();
      assert.match(await server.send(session, 'say good morning'), /good morning/i);
      await checkConsole(server);
    });
    await step(
      'the node of the session is killed, and it goes on at the other with its context',
      async () => {
        const owner = ['node-a', 'node-b'].find((node) =>
          engine.docker(['top', idOf(node), '-o', 'pid,args']).includes('claude-agent-sdk'),
        );
        assert.ok(owner);
        engine.docker(['kill', idOf(owner)]);
        let said = '';
        await until('the other node', async () => {
          said = await server.send(session, 'what did I say').catch(() => '');
          return said !== '';
        });
        assert.match(said, /good morning/);
      },
    );
    await step('nodes that are stopped leave with status 0', () => {
      compose('stop', '--timeout', '60');
      const codes = ['node-a', 'node-b'].map((node) =>
        engine.docker([
          'inspect',
          '--format',
          '{{.State.ExitCode}}',
          compose('ps', '--all', '--quiet', node),
        ]),
      );
      // The killed one keeps its own.
      assert.deepEqual(codes.sort(), ['0', '137']);
    });
  } catch (error) {
    console.error(compose('logs', '--tail', '30'));
    throw error;
  } finally {
    compose('down', '--volumes', '--timeout', '5');
  }
}
