#!/usr/bin/env node
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { banner } from './banner.ts';
import { ConfigError, readConfig, USAGE } from './config.ts';
import { createLogStream } from './logging.ts';
import { startServer } from './server.ts';

/** How long an orderly end may take before the process ends anyway. */
const LAST_RESORT_MS = 20_000;

/** The name in the package.json whose scripts start this program from the sources. */
const REPOSITORY = 'claude-agent-server-repository';
const PARENT_CHECK_MS = 500;

/**
 * `npm start` hands on SIGTERM and SIGINT. When npm itself is killed otherwise, nobody can tell this process; it
 * would hold port and home for ever, an orphan that nobody knows of.
 */
function watchParent(onEnd: () => void): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) onEnd();
  }, PARENT_CHECK_MS).unref();
}

async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2), process.env);
  if (config === 'help') {
    console.log(USAGE);
    return;
  }
  const logger = pino({ level: config.logLevel }, createLogStream(process.stderr));
  if (config.credential !== undefined)
    logger.info({ credential: config.credential }, 'the agent uses this credential');
  if (process.env.AGENT_SERVER_API_KEY === '')
    logger.warn('AGENT_SERVER_API_KEY is empty and counts as not set');

  const server = await startServer(config, logger);
  const told = banner(config, server.providers);
  if (told !== undefined) console.error(`\n  ${told}\n`);
  else if (server.providers.length > 0) {
    const given = server.providers.map((each) => each.given);
    logger.info({ providers: given }, 'the gateway uses these credentials');
  }
  const addressFile = join(config.home, 'server.url');
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'shutting down');
    setTimeout(
      () => {
        logger.error('the shutdown takes too long; ending now');
        process.exit(1);
      },
      config.shutdownGraceSeconds * 1000 + LAST_RESORT_MS,
    ).unref();
    rmSync(addressFile, { force: true });
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'the shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  try {
    // For who finds the home taken: where its server can be reached.
    writeFileSync(addressFile, `${server.url}\n`, { mode: 0o600 });
  } catch (error) {
    await server.close();
    throw error;
  }
  // The terminal is closed.
  process.on('SIGHUP', () => stop('SIGHUP'));
  if (process.env.npm_package_name === REPOSITORY) watchParent(() => stop('the end of npm'));
  console.log(`listening on ${server.url}`);
}

/** Something that the operating system refused: too many open files, no memory, no right. */
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
