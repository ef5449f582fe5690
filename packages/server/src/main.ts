#!/usr/bin/env node
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { banner } from './banner.ts';
import { ConfigError, readConfig, USAGE } from './config.ts';
import { createLogStream } from './logging.ts';
import { startServer } from './server.ts';

/** Time for an orderly shutdown before the process exits anyway. */
const LAST_RESORT_MS = 20_000;

/** The name in the package.json whose scripts start this program from its sources. */
const REPOSITORY = 'claude-agent-server-repository';
const PARENT_CHECK_MS = 500;

/**
 * `npm start` forwards SIGTERM and SIGINT. If npm is killed in another way, this process gets no signal; as an orphan
 * it would hold port and home until someone finds it.
 */
function watchParent(onEnd: () => void): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) onEnd();
  }, PARENT_CHECK_MS).unref();
}

/** Shows the console to the person who started the server. A machine without a browser goes on without. */
async function openInBrowser(page: string, logger: Logger): Promise<void> {
  try {
    const { default: open } = await import('open');
    await open(page);
  } catch (error) {
    logger.warn({ err: error }, `no browser could be started: open ${page} yourself`);
  }
}

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === 'backup' || command === 'restore') {
    const programs = await import('./backup.ts');
    console.log(await programs[command](rest, process.env));
    return;
  }
  if (command === 'keys') {
    const { keys } = await import('./keys-command.ts');
    console.log(await keys(rest, process.env));
    return;
  }
  if (command === 'migrate') {
    const { migrate } = await import('./move/command.ts');
    process.exitCode = await migrate(rest, process.env, console.log);
    return;
  }
  if (command === 'config') {
    const { checkConfig } = await import('./config-check.ts');
    const { text, isRight } = checkConfig(rest, process.env);
    if (!isRight) throw new ConfigError(text);
    console.log(text);
    return;
  }
  const config = readConfig(process.argv.slice(2), process.env);
  if (config === 'help') {
    console.log(USAGE);
    return;
  }
  const logger = pino({ level: config.logLevel }, createLogStream(process.stderr));
  if (config.credential !== undefined) logger.info({ credential: config.credential }, 'agent credential');
  if (process.env.AGENT_SERVER_API_KEY === '') logger.warn('AGENT_SERVER_API_KEY is empty, so it is ignored');

  const server = await startServer(config, logger);
  const told = banner(config, server.providers);
  if (told !== undefined) console.error(`\n  ${told}\n`);
  else if (server.providers.length > 0) {
    const given = server.providers.map((each) => each.given);
    logger.info({ providers: given }, 'gateway credentials');
  }
  const addressFile = join(config.home, 'server.url');
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'shutting down');
    setTimeout(
      () => {
        logger.error('shutdown takes too long; exiting now');
        process.exit(1);
      },
      2 * config.shutdownGraceSeconds * 1000 + config.drainMs + LAST_RESORT_MS,
    ).unref();
    rmSync(addressFile, { force: true });
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  try {
    // Tells a program that finds the home locked where its server listens.
    writeFileSync(addressFile, `${server.url}\n`, { mode: 0o600 });
  } catch (error) {
    await server.close();
    throw error;
  }
  // The terminal was closed.
  process.on('SIGHUP', () => stop('SIGHUP'));
  if (process.env.npm_package_name === REPOSITORY) watchParent(() => stop('the end of npm'));
  console.log(`listening on ${server.url}`);
  const page = `${server.url}/console/`;
  console.log(`console at ${page}`);
  if (config.open) await openInBrowser(page, logger);
}

/** The operating system refused something: too many open files, no memory, no permission. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'code' in error;

try {
  await main();
} catch (error) {
  if (error instanceof ConfigError) console.error(error.message);
  else if (isSystemError(error)) console.error(`The server cannot start: ${error.message}.`);
  else throw error;
  process.exitCode = 2;
}
