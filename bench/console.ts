/**
 * The console beside another web page for agents, in the same browser and in turns: how soon it can be used, how long a
 * token takes from the model to the screen, what a long turn leaves in memory, and how a long list scrolls.
 *
 * Run: node --conditions=claude-agent-source bench/console.ts [loads|tokens|memory|scrolling] [loads=7] [sessions=5000]
 * OPENCODE=/path/to/opencode (of the npm package opencode-linux-x64, in a folder of its own) measures that beside it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { startProgram } from './support/child.ts';
import { median, ms, printTable, quantile } from './support/table.ts';
import {
  eventually,
  type Load,
  loadCold,
  type Memory,
  memoryOf,
  openPage,
  readDelays,
  scrollFrames,
  stampDelays,
} from './support/web-page.ts';
import { type Side, startOpencode, startOurs, type WebSession } from './support/web-sides.ts';

const CHROMIUM = process.env.CLAUDE_TEST_CHROMIUM ?? '/usr/bin/chromium';
const BUILD = fileURLToPath(new URL('../packages/console/build.ts', import.meta.url));
/** Ten seconds. */
const STREAM = { tokens: 2_000, perSecond: 200 };
/** A call and its result are two events. */
const TOOLS = { rounds: 20, calls: 50 };
const SCROLLED_PIXELS = 20_000;

const mb = (value: number): string => `${value.toFixed(1)} MB`;
const kb = (value: number): string => `${value.toFixed(0)} KB`;

const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });

/** Each side in a browser of its own, one after the other. */
async function withBrowser<T>(work: (browser: Browser) => Promise<T>): Promise<T> {
  const browser = await launch();
  try {
    return await work(browser);
  } finally {
    await browser.close();
  }
}

const over = (session: WebSession): Promise<true> =>
  eventually(async () => ((await session.isOver()) ? true : undefined), 'The turn did not end.');

async function loads(sides: readonly Side[], count: number): Promise<void> {
  const found = new Map<string, Load[]>();
  const note = (name: string, load: Load): void => void found.set(name, [...(found.get(name) ?? []), load]);
  const sessions = new Map<Side, WebSession>();
  for (const side of sides) sessions.set(side, await side.session());
  await withBrowser(async (browser) => {
    for (let n = 0; n < count; n++) {
      for (const side of sides) {
        note(`${side.name}, list`, await loadCold(browser, side.list.url, side.list.ready));
        const { url } = sessions.get(side) as WebSession;
        note(`${side.name}, session`, await loadCold(browser, url, side.editor));
      }
    }
  });
  printTable(
    `page with an empty cache (${count} each, median)`,
    ['', 'first paint', 'interactive', 'p90', 'transferred', 'scripts'],
    [...found].map(([name, all]) => [
      name,
      ms(median(all.map(({ contentful }) => contentful))),
      ms(median(all.map(({ interactive }) => interactive))),
      ms(
        quantile(
          all.map(({ interactive }) => interactive),
          0.9,
        ),
      ),
      kb(median(all.map(({ kilobytes }) => kilobytes))),
      kb(median(all.map(({ scriptKilobytes }) => scriptKilobytes))),
    ]),
  );
}

async function tokens(sides: readonly Side[], turns: number): Promise<void> {
  const found = new Map<string, number[]>();
  const note = (name: string, delays: number[]): void =>
    void found.set(name, [...(found.get(name) ?? []), ...delays]);
  for (let n = 0; n < turns; n++) {
    for (const side of sides) {
      await withBrowser(async (browser) => {
        const session = await side.session();
        const page = await openPage(browser, session.url, side.editor);
        // The first turn starts the agent, and loads what the page shows a text with.
        await session.send('bench:stream 60 200');
        await over(session);
        const turn = async (): Promise<void> => {
          await session.send(`bench:stream ${STREAM.tokens} ${STREAM.perSecond}`);
          await over(session);
        };
        let onScreen: number[] = [];
        const read = await readDelays(session.events, async () => {
          onScreen = await stampDelays(page, turn);
        });
        note(`${side.name}, on the screen`, onScreen);
        note(`${side.name}, at a bare reader`, read);
      });
    }
  }
  printTable(
    `a token from the model to the screen, at ${STREAM.perSecond} a second (${turns} turns of ${STREAM.tokens})`,
    ['', 'stamps', 'median', 'p95', 'p99', 'longest'],
    [...found].map(([name, delays]) => [
      name,
      String(delays.length),
      ...[0.5, 0.95, 0.99, 1].map((part) => ms(quantile(delays, part))),
    ]),
  );
}

async function memory(sides: readonly Side[]): Promise<void> {
  const rows: [string, Memory][] = [];
  for (const side of sides) {
    await withBrowser(async (browser) => {
      const session = await side.session();
      const page = await openPage(browser, session.url, side.editor);
      await session.send('bench:stream 10 200');
      await over(session);
      rows.push([`${side.name}, before`, await memoryOf(browser, page)]);
      await session.send(`bench:tools ${TOOLS.rounds} ${TOOLS.calls} file:notes.txt`);
      await over(session);
      rows.push([`${side.name}, after`, await memoryOf(browser, page)]);
    });
  }
  printTable(
    `memory of the page, before and after a turn of ${2 * TOOLS.rounds * TOOLS.calls} events that it showed`,
    ['', 'JS heap', 'DOM nodes', 'process'],
    rows.map(([name, { heapMegabytes, nodes, processMegabytes }]) => [
      name,
      mb(heapMegabytes),
      String(nodes),
      mb(processMegabytes),
    ]),
  );
}

async function scrolling(sides: readonly Side[], sessions: number, times: number): Promise<void> {
  const found = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
  for (let n = 0; n < times; n++) {
    for (const side of sides) {
      await withBrowser(async (browser) => {
        const page = await openPage(browser, side.list.url, side.list.ready);
        await page.waitForSelector(side.list.row);
        found.get(side.name)?.push(...(await scrollFrames(page, side.list.row, SCROLLED_PIXELS)));
      });
    }
  }
  const rate = (frames: readonly number[]): number =>
    (frames.length * 1000) / frames.reduce((sum, frame) => sum + frame, 0);
  printTable(
    `scrolling ${SCROLLED_PIXELS} pixels in a list of ${sessions} sessions (${times} times)`,
    ['', 'frames a second', 'median', 'p95', 'longest'],
    [...found].map(([name, frames]) => [
      name,
      rate(frames).toFixed(0),
      ...[0.5, 0.95, 1].map((part) => ms(quantile(frames, part))),
    ]),
  );
}

export async function benchConsole({ only = '', count = 7, sessions = 5_000 } = {}): Promise<void> {
  execFileSync(process.execPath, [BUILD, '--if-needed'], { stdio: 'inherit' });
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-console-')));
  const model = await startProgram('bench/support/stamping-model.ts');
  const sides: Side[] = [];
  try {
    sides.push(await startOurs(join(base, 'ours'), model.url, sessions));
    const program = process.env.OPENCODE;
    if (program) sides.push(await startOpencode(program, join(base, 'opencode'), model.url, sessions));
    else console.log('OPENCODE names no program: only this console is measured.');
    const load = (): void =>
      console.log(
        `\nload of the machine: ${loadavg()
          .map((n) => n.toFixed(1))
          .join(' ')}`,
      );
    load();
    const parts = {
      loads: () => loads(sides, count),
      tokens: () => tokens(sides, 3),
      memory: () => memory(sides),
      scrolling: () => scrolling(sides, sessions, 3),
    };
    for (const [name, measure] of Object.entries(parts)) if (!only || only === name) await measure();
    load();
  } finally {
    for (const side of sides) await side.stop();
    await model.stop();
    rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (import.meta.main) {
  const [only = '', ...numbers] = process.argv.slice(2);
  const [count, sessions] = numbers.map(Number);
  await benchConsole({ only, ...(count && { count }), ...(sessions && { sessions }) });
}
