import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readProc } from '../proc.ts';
import { openFolder } from './bubblewrap-engine.ts';
import { type ContainerProgram, containerArguments, type User } from './container-arguments.ts';
import { createContainerRemover } from './container-remover.ts';
import { EGRESS_PORT, type Engine } from './engine.ts';
import type { Mount } from './mounts.ts';

const run = promisify(execFile);

export interface ContainerEngineDeps {
  program: ContainerProgram;
  image: string;
  /** Names the server's home: containers of a home are this server's. */
  instance: string;
  /** Environment of the server: where the engine is, is written there. */
  env: Readonly<Record<string, string | undefined>>;
  user: User;
  /** Tells the operator what the engine does not do. */
  warn(message: string): void;
}

/** An engine answers in 20 to 100 ms, and starts a container in 300; on a busy machine both take longer. */
const TIMEOUT_MS = 60_000;
/** Removing takes 0.1 to 0.5 s. A start waits so long for what an earlier run has left, and the end of an agent for its own. */
const START_WAIT_MS = 10_000;
const LEAVE_WAIT_MS = 5_000;
/** How often the list is asked for: engines fail to tell it while a container goes. */
const LIST_ATTEMPTS = 3;
const INSTANCE_LABEL = 'claude-agent-server.instance';
const SESSION_LABEL = 'claude-agent-server.session';
/** Where the engine is, and how it is set up. */
const OF_ENGINE = /^(DOCKER_|CONTAINER|XDG_RUNTIME_DIR$|STORAGE_|_CONTAINERS_)/;
/** The image has its own programs, at other places. */
const OF_MACHINE = ['PATH', 'SHELL', 'XDG_RUNTIME_DIR'];
/** Where the container has the server's socket. */
const SOCKET = '/run/claude-agent.sock';

/**
 * Runs inside a container without network: carries connections from its loopback address to the server's socket. A channel
 * to hand out the port, as bubblewrap leaves one, does not reach into a container. The first connection says that it is there.
 */
const RELAY = `const net = require('node:net');
const [path, port] = process.argv.slice(1);
net.createServer({ allowHalfOpen: true }, (from) => {
  const to = net.connect({ path, allowHalfOpen: true });
  from.pipe(to).pipe(from);
  from.on('error', () => to.destroy());
  to.on('error', () => from.destroy());
}).listen(+port, '127.0.0.1', () => net.connect(path).end());`;
const WITH_RELAY = '("$0" -e "$1" "$2" "$3" </dev/null >/dev/null 2>&1 &); shift 3; exec "$@"';

/** Sandboxes by an engine for containers, in an image that the operator chose. */
export async function openContainerEngine({
  program,
  image,
  instance,
  env,
  user,
  warn,
}: ContainerEngineDeps): Promise<Engine> {
  const own = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && (OF_ENGINE.test(name) || ['PATH', 'HOME', 'USER'].includes(name))
        ? [[name, value]]
        : [],
    ),
  );
  const call = async (...args: string[]): Promise<string> =>
    (await run(program, args, { env: own, timeout: TIMEOUT_MS })).stdout.trim();
  const version = await findEngine(program, image, call);
  const isRootless = user.uid !== 0;
  const remover = createContainerRemover({ program, version, call, warn });
  // What a server that was killed has left: a container outlives the command that started it, and one that was not yet
  // started has no process that could end.
  const left = await list(call, instance);
  await remover.remove(left, START_WAIT_MS);
  const openFiles =
    Number(/^Max open files +\d+ +(\d+)/m.exec(readProc('/proc/self/limits'))?.[1]) || undefined;
  const sockets = mkdtempSync(join(tmpdir(), 'claude-agent-'));

  return {
    version: `${program} ${version}`,
    isolatesNetwork: true,
    async open({ sessionId, mounts, cwd, limits, accept }) {
      const prefix = `claude-agent-${sessionId}-`;
      await remover.awaitGone(prefix, LEAVE_WAIT_MS);
      const name = `${prefix}${randomBytes(4).toString('hex')}`;
      const doorway = Promise.withResolvers<void>();
      const entrance = accept && (await listen(join(sockets, name), accept));
      if (entrance) entrance.once('connection', () => doorway.resolve());
      else doorway.resolve();
      return {
        wrap(file, args, { env: variables, marks }) {
          // The engine looks paths up by itself, a moment later.
          for (const { kind, path } of mounts) if (kind === 'work') closeSync(openFolder(path));
          const shown: Mount[] = [...mounts, { kind: 'read', path: file }];
          if (entrance) {
            shown.push(
              { kind: 'read', path: process.execPath },
              { kind: 'write', path: SOCKET, source: join(sockets, name) },
            );
          }
          return {
            command: program,
            args: containerArguments({
              program,
              image,
              name,
              labels: { [INSTANCE_LABEL]: instance, [SESSION_LABEL]: sessionId },
              mounts: shown,
              cwd,
              user,
              isRootless,
              sharesNetwork: !accept,
              limits,
              marks,
              openFiles,
              variables: Object.keys(variables).filter(
                (variable) =>
                  variables[variable] !== undefined &&
                  !OF_MACHINE.includes(variable) &&
                  !(variable in own && OF_ENGINE.test(variable)),
              ),
              command: entrance
                ? [
                    '/bin/sh',
                    '-c',
                    WITH_RELAY,
                    process.execPath,
                    RELAY,
                    SOCKET,
                    String(EGRESS_PORT),
                    file,
                    ...args,
                  ]
                : [file, ...args],
            }),
            descriptors: [],
            channel: undefined,
            env: own,
            marksProgram: true,
          };
        },
        started() {},
        take() {},
        ready: doorway.promise,
        async leave() {
          entrance?.close();
          rmSync(join(sockets, name), { force: true });
          // It is gone already, unless the command that ran it was killed.
          await remover.remove([name], LEAVE_WAIT_MS);
        },
      };
    },
    async close() {
      remover.close();
      rmSync(sockets, { recursive: true, force: true });
    },
  };
}

/** The names of all containers of a server, those that do not run included. */
async function list(call: (...args: string[]) => Promise<string>, instance: string): Promise<string[]> {
  const args = ['ps', '--all', '--filter', `label=${INSTANCE_LABEL}=${instance}`, '--format', '{{.Names}}'];
  for (let attempt = 1; ; attempt++) {
    try {
      return (await call(...args)).split('\n').filter(Boolean);
    } catch (error) {
      if (attempt === LIST_ATTEMPTS) throw error;
    }
  }
}

/**
 * The version of the engine.
 * @throws Error with the reason why the engine cannot run the image
 */
async function findEngine(
  program: ContainerProgram,
  image: string,
  call: (...args: string[]) => Promise<string>,
): Promise<string> {
  const explain =
    (what: string) =>
    (error: NodeJS.ErrnoException & { stderr?: string }): never => {
      if (error.code === 'ENOENT') throw new Error(`${program} is not installed`);
      throw new Error(`${what}: ${error.stderr?.trim() || error.message}`);
    };
  const format = program === 'docker' ? '{{.Server.Version}}' : '{{.Client.Version}}';
  const version = await call('version', '--format', format).catch(explain(`${program} does not answer`));
  await call('image', 'inspect', '--format', '{{.Id}}', image).catch(
    explain(`the image ${image} is not there (${program} pull ${image})`),
  );
  const trial = ['--rm', '--pull', 'never', '--network', 'none', '--read-only', '--cap-drop', 'ALL'];
  await call('run', ...trial, '--entrypoint', '/bin/sh', image, '-c', 'true').catch(
    explain(`${program} cannot run a container of ${image}`),
  );
  return version;
}

/** Listens at a path that its folder keeps from other users. */
function listen(path: string, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer(accept);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}
