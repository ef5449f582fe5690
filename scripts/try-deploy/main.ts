/**
 * Builds the image of deploy/ and runs it and the compose file, on a container engine of its own:
 *   npm run try:deploy [-- FOLDER]
 * Needs root on Linux and, on Debian, docker.io, docker-compose, iptables, and debootstrap where no registry of images is reached.
 * 5 to 10 minutes and 6 GB; with a FOLDER that is kept, what was built before is used again.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { tryCompose } from './compose.ts';
import { type DockerEngine, startDocker, whyNoEngine } from './engine.ts';
import { tryImage } from './image.ts';
import { provideNode, provideService } from './stand-ins.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const DEPLOY = join(REPOSITORY, 'deploy');
const IMAGE = 'claude-agent-server';

async function step(what: string, work: () => Promise<void> | void): Promise<void> {
  const since = performance.now();
  try {
    await work();
  } catch (error) {
    console.log(`FAILED ${what}`);
    throw error;
  }
  console.log(`ok  ${what} (${((performance.now() - since) / 1000).toFixed(1)} s)`);
}

async function withEngine(
  folder: string,
  network: 'shared' | 'own',
  work: (engine: DockerEngine) => Promise<void>,
): Promise<void> {
  const engine = await startDocker(join(folder, 'engine'), network);
  try {
    await work(engine);
  } finally {
    await engine.stop();
  }
}

function build({ docker }: DockerEngine): void {
  docker(['build', '--network', 'host', '-f', join(DEPLOY, 'Dockerfile'), '-t', IMAGE, REPOSITORY]);
}

async function main(folder: string): Promise<void> {
  const node = `node:${/^ARG NODE=(.*)$/m.exec(readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8'))?.[1] ?? ''}`;
  const { services } = parse(readFileSync(join(DEPLOY, 'compose/compose.yaml'), 'utf8'), { merge: true }) as {
    services: Record<string, { image: string }>;
  };
  await withEngine(folder, 'shared', async (engine) => {
    console.log(`    from ${provideNode(engine, node, folder)}`);
    await step('the Dockerfile builds', () => build(engine));
    for (const { image } of Object.values(services)) {
      if (image !== IMAGE) console.log(`    with ${provideService(engine, image, node)}`);
    }
    console.log(`    ${engine.docker(['images', '--format', '{{.Repository}}:{{.Tag}} {{.Size}}'])}`);
  });
  await withEngine(folder, 'own', async (engine) => {
    await tryImage(engine, IMAGE, step);
    await tryCompose(engine, folder, DEPLOY, step);
  });
}

const why = whyNoEngine(['docker-compose']);
if (why !== undefined) {
  console.log(`Nothing was tried: ${why}.`);
  process.exit(1);
}
const [given] = process.argv.slice(2);
const folder = given === undefined ? mkdtempSync(join(tmpdir(), 'try-deploy-')) : resolve(given);
mkdirSync(folder, { recursive: true });
try {
  await main(folder);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  if (given === undefined) rmSync(folder, { recursive: true, force: true });
}
