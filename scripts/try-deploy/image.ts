import assert from 'node:assert/strict';
import { checkConsole, createCalls, KEY, type Step, until } from './checks.ts';
import type { DockerEngine } from './engine.ts';

const NAME = 'claude-agent-server-try';
const PORT = 8000;
/** What deploy/compose gives its nodes too. */
const CONFINED = [
  ...['--read-only', '--tmpfs', '/tmp:mode=1777,size=1g'],
  ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
];
/** What bubblewrap needs in a container. */
const NAMESPACES = ['--security-opt', 'seccomp=unconfined', '--security-opt', 'systempaths=unconfined'];

/** Runs the image as the Dockerfile and the compose file say. */
export async function tryImage(engine: DockerEngine, image: string, step: Step): Promise<void> {
  const { docker } = engine;
  const server = createCalls(engine, `http://127.0.0.1:${PORT}`);
  const start = (options: readonly string[], args: readonly string[]): string =>
    docker([
      ...['run', '--detach', '--name', NAME, '--publish', `127.0.0.1:${PORT}:8000`, ...CONFINED, ...options],
      ...['--env', `AGENT_SERVER_API_KEY=${KEY}`, image, ...args],
    ]);
  const remove = (): string => docker(['rm', '--force', '--volumes', NAME]);
  const inspect = (format: string): string => docker(['inspect', '--format', format, NAME]);
  const inside = (command: string): string => docker(['exec', NAME, 'sh', '-c', command]);
  const isHealthy = (): Promise<void> =>
    until('health', () => {
      if (inspect('{{.State.Running}}') !== 'true') throw new Error(docker(['logs', NAME]) || 'it has ended');
      return inspect('{{.State.Health.Status}}') === 'healthy';
    });

  try {
    await step('the image starts with a read-only root and becomes healthy', async () => {
      start([], []);
      await isHealthy();
    });
    await step('it runs as user 1000 without rights, and writes to its folders only', () => {
      assert.equal(inside('id -u; id -g'), '1000\n1000');
      const status = inside('cat /proc/1/status');
      assert.match(status, /CapEff:\s0+\n/);
      assert.match(status, /CapBnd:\s0+\n/);
      assert.match(status, /NoNewPrivs:\s1/);
      const writable =
        'for each in / /app /usr /home/node /data /work /tmp; do test -w $each && echo $each; done; true';
      assert.equal(inside(writable), '/data\n/work\n/tmp');
      assert.match(inside('cat /proc/1/comm'), /tini/);
    });
    await step('it refuses a call without its key, and serves the console', async () => {
      assert.equal((await server.call('/sessions', { key: '' })).status, 401);
      await checkConsole(server);
    });
    let session = '';
    await step('a session with the demo model answers, and uses a tool', async () => {
      inside('echo here > /work/seen.txt');
      session = await server.createSession();
      assert.match(await server.send(session, 'list files'), /seen\.txt/);
    });
    await step('SIGTERM lets a running turn end, and the server leaves with status 0', async () => {
      const turn = server.send(session, 'wait 3 seconds');
      await until('the turn to run', async () => {
        const { body } = await server.call(`/sessions/${session}`);
        return (JSON.parse(body) as { current_turn_id: string | null }).current_turn_id !== null;
      });
      docker(['stop', '--time', '60', NAME]);
      assert.notEqual(await turn, '');
      assert.equal(inspect('{{.State.ExitCode}}'), '0');
    });
    await step('the next start goes on with the session', async () => {
      docker(['start', NAME]);
      await isHealthy();
      assert.match(await server.send(session, 'what did I say'), /list files/);
    });
    remove();
    await step('bubblewrap works in it where the container may make namespaces', async () => {
      start(NAMESPACES, ['--host', '0.0.0.0', '--root', '/work', '--sandbox', 'required']);
      await isHealthy();
      assert.match(await server.send(await server.createSession(), 'say good morning'), /good morning/i);
    });
  } finally {
    remove();
  }
}
