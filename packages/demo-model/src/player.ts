import type { GateKeeper } from './gates.ts';
import { type Frame, PING } from './stream.ts';

/** Thrown out of a playing stream when the script cuts the connection. */
export class ConnectionCut extends Error {
  override name = 'ConnectionCut';
  constructor() {
    super('The script cut the connection here.');
  }
}

/** Claude Code warns after about 20 s of silence; comments do not count, `ping` events do. */
const PING_EVERY_MS = 10_000;

/**
 * Plays frames: yields what is ready as one chunk, so that nothing waits for anything but the script's own pauses
 * and gates. Ends with the signal's reason when the client goes away.
 */
export async function* playFrames(
  frames: Iterable<Frame>,
  gates: GateKeeper,
  signal: AbortSignal,
  pingEveryMs: number = PING_EVERY_MS,
): AsyncGenerator<string, void> {
  let ready = '';
  for (const frame of frames) {
    if (frame.kind === 'event') {
      ready += frame.text;
      continue;
    }
    if (ready) yield ready;
    ready = '';
    if (frame.kind === 'cut') throw new ConnectionCut();
    if (frame.kind === 'pause' && frame.ms <= pingEveryMs) await sleep(frame.ms, signal);
    else if (frame.kind === 'pause') yield* pingsUntil(sleep(frame.ms, signal), pingEveryMs);
    else yield* pingsUntil(gates.wait(frame.name, signal), pingEveryMs);
  }
  if (ready) yield ready;
}

/** Waits for pauses and gates without sending anything. */
export async function waitFor(
  frames: Iterable<Frame>,
  gates: GateKeeper,
  signal: AbortSignal,
): Promise<void> {
  for (const frame of frames) {
    if (frame.kind === 'gate') await gates.wait(frame.name, signal);
    else if (frame.kind === 'pause') await sleep(frame.ms, signal);
  }
}

async function* pingsUntil(done: Promise<void>, everyMs: number): AsyncGenerator<string, void> {
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const tick = new Promise<'tick'>((resolve) => {
      timer = setTimeout(resolve, everyMs, 'tick');
    });
    try {
      if ((await Promise.race([done, tick])) !== 'tick') return;
    } finally {
      clearTimeout(timer);
    }
    yield PING;
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', give);
      resolve();
    }, ms);
    const give = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener('abort', give, { once: true });
  });
}
