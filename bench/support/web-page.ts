/** What a browser can tell of a page, without the page's help. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';

const WINDOW = { viewport: { width: 1440, height: 900 }, locale: 'en-GB', timezoneId: 'UTC' };
/** A page that has done nothing long for this time can be used. */
const QUIET_MS = 500;
const PATIENCE_MS = 120_000;

export interface Load {
  /** The control is there, and no task of more than 50 ms follows within half a second. */
  interactive: number;
  contentful: number;
  kilobytes: number;
  scriptKilobytes: number;
}

/** Runs before the page's own scripts. The text is as the browser gets it. */
const watchLoad = (selector: string): string => `
  window.bench = { ready: 0, busyUntil: 0 };
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) bench.busyUntil = Math.max(bench.busyUntil, startTime + duration);
  }).observe({ type: 'longtask', buffered: true });
  const look = () => {
    const found = document.querySelector(${JSON.stringify(selector)});
    if (found && found.getClientRects().length > 0) bench.ready = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);`;

/** A page with an empty cache, measured from the request for it. */
export async function loadCold(browser: Browser, url: string, selector: string): Promise<Load> {
  const context = await browser.newContext(WINDOW);
  try {
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    const scripts = new Set<string>();
    let [bytes, scriptBytes] = [0, 0];
    network.on('Network.responseReceived', ({ requestId, type }) => {
      if (type === 'Script') scripts.add(requestId);
    });
    network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      bytes += encodedDataLength;
      if (scripts.has(requestId)) scriptBytes += encodedDataLength;
    });
    await page.addInitScript(watchLoad(selector));
    await page.goto(url, { waitUntil: 'commit' });
    const found = await eventually(async () => {
      const now = (await page.evaluate(
        `({ ...bench, now: performance.now(), contentful: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0 })`,
      )) as { ready: number; busyUntil: number; now: number; contentful: number };
      const last = Math.max(now.ready, now.busyUntil);
      return now.ready > 0 && now.now - last > QUIET_MS ? { ...now, last } : undefined;
    }, `${url} did not show ${selector}`);
    return {
      interactive: found.last,
      contentful: found.contentful,
      kilobytes: bytes / 1024,
      scriptKilobytes: scriptBytes / 1024,
    };
  } finally {
    await context.close();
  }
}

export async function openPage(browser: Browser, url: string, selector: string): Promise<Page> {
  const context = await browser.newContext(WINDOW);
  const page = await context.newPage();
  await page.goto(url, { waitUntil: 'commit' });
  await page.waitForSelector(selector, { timeout: PATIENCE_MS });
  return page;
}

/** Notes when each stamp of the model is on the screen: in the task behind the frame that shows it. */
const WATCH_STAMPS = `
  window.stamps = { delays: [], seen: new Set() };
  new MutationObserver((records) => {
    const fresh = [];
    for (const { target, addedNodes } of records) {
      const texts = target.nodeType === 3 ? [target.data] : [...addedNodes].map((node) => node.textContent ?? '');
      for (const [, stamp] of texts.join(' ').matchAll(/k(\\d{13})/g)) {
        if (stamps.seen.has(stamp)) continue;
        stamps.seen.add(stamp);
        fresh.push(Number(stamp));
      }
    }
    if (fresh.length === 0) return;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        const now = performance.timeOrigin + performance.now();
        for (const stamp of fresh) stamps.delays.push(now - stamp);
      };
      port2.postMessage(0);
    });
  }).observe(document.body, { subtree: true, childList: true, characterData: true });`;

/** How long stamps took from the model to the screen, in ms, while `work` ran. */
export async function stampDelays(page: Page, work: () => Promise<void>): Promise<number[]> {
  await page.evaluate(WATCH_STAMPS);
  await work();
  return (await page.evaluate('stamps.delays')) as number[];
}

/** The same for a reader of the server's stream that shows nothing. */
export async function readDelays(stream: string, work: () => Promise<void>): Promise<number[]> {
  const end = new AbortController();
  const headers = { accept: 'text/event-stream' };
  const { body } = await fetch(stream, { headers, signal: end.signal });
  const seen = new Map<string, number>();
  const reading = (async () => {
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const now = performance.timeOrigin + performance.now();
      for (const [, stamp = ''] of chunk.matchAll(/k(\d{13})/g))
        if (!seen.has(stamp)) seen.set(stamp, now - Number(stamp));
    }
  })().catch(() => {});
  await work();
  end.abort();
  await reading;
  return [...seen.values()];
}

export interface Memory {
  heapMegabytes: number;
  nodes: number;
  /** Private memory of the page's process. */
  processMegabytes: number;
}

/** After a collection. The browser must have no other page. */
export async function memoryOf(browser: Browser, page: Page): Promise<Memory> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0;
  const { processInfo } = await (await browser.newBrowserCDPSession()).send('SystemInfo.getProcessInfo');
  const sizes = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => privateMegabytes(id));
  return {
    heapMegabytes: of('JSHeapUsedSize') / 1024 ** 2,
    nodes: of('Nodes'),
    processMegabytes: Math.max(0, ...sizes),
  };
}

function privateMegabytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kilobytes = [...text.matchAll(/^Private_\w+: +(\d+) kB/gm)].map(([, size]) => Number(size));
  return kilobytes.reduce((sum, size) => sum + size, 0) / 1024;
}

/** Times between frames while the wheel turns over the element, in ms. */
export async function scrollFrames(page: Page, selector: string, pixels: number): Promise<number[]> {
  const box = await page.locator(selector).first().boundingBox();
  if (!box) throw new Error(`${selector} has no place on the page`);
  await page.evaluate(`
    window.frames_ = [];
    window.scrolling = true;
    let last = performance.now();
    const next = (now) => {
      frames_.push(now - last);
      last = now;
      if (scrolling) requestAnimationFrame(next);
    };
    requestAnimationFrame(next);`);
  const session = await page.context().newCDPSession(page);
  await session.send('Input.synthesizeScrollGesture', {
    x: box.x + box.width / 2,
    y: box.y + box.height / 2,
    yDistance: -pixels,
    speed: 4_000,
    gestureSourceType: 'mouse',
  });
  return (await page.evaluate('scrolling = false; frames_')) as number[];
}

/** What `check` gives once it gives something. @throws when it does not in time */
export async function eventually<T>(check: () => Promise<T | undefined>, what: string): Promise<T> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await check().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(what);
    await sleep(100);
  }
}
