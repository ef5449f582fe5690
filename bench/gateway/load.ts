import { Agent, request } from 'node:http';

export interface Target {
  url: string;
  headers?: Record<string, string>;
  body: string;
}

/** Sends one request and resolves with its time in milliseconds once the answer is complete. */
function once(target: Target, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const outgoing = request(
      target.url,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(target.body),
          'anthropic-version': '2023-06-01',
          ...target.headers,
        },
      },
      (response) => {
        let size = 0;
        let tail = '';
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          tail = chunk.toString('latin1').slice(-300);
        });
        response.on('end', () => {
          if (response.statusCode === 200 && size > 200) resolve(performance.now() - started);
          else reject(new Error(`${target.url} answered ${response.statusCode}: ${tail}`));
        });
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(target.body);
  });
}

export interface Latency {
  median: number;
  p99: number;
}

/** One request after the other. */
export async function measureLatency(target: Target, count: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) times.push(await once(target, agent));
  agent.destroy();
  return times;
}

export function summarise(times: readonly number[]): Latency {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { median: at(0.5), p99: at(0.99) };
}

/** Requests a second at so many connections. */
export async function measureThroughput(target: Target, connections: number, ms: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const started = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() - started < ms) {
        await once(target, agent);
        done += 1;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  return done / seconds;
}
