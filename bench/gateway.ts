/**
 * The gateway against its upstream, a bare node:http proxy, and the gateways that install from npm.
 *
 *   node --conditions=claude-agent-source bench/gateway.ts [--requests 300] [--seconds 2] [--rivals]
 *
 * The 42 KB request of an agent's turn, an upstream of 20 chunks, stream and not. Latency is measured one request at a
 * time, in rounds that go through all candidates, so that a busy machine disturbs all of them alike; throughput at 16
 * connections; memory is the resident size after the load. `--rivals` installs the others into a temporary folder.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { agentRequest } from './gateway/body.ts';
import { measureLatency, measureThroughput, summarise, type Target } from './gateway/load.ts';
import { installPortkey, installRouter, type Rival } from './gateway/rivals.ts';

interface Candidate {
  name: string;
  pid: number;
  target(stream: boolean): Target;
}

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '2' },
    rivals: { type: 'boolean', default: false },
  },
});
const rounds = 6;
const perRound = Math.ceil(Number(values.requests) / rounds);
const loadMs = Number(values.seconds) * 1000;
const children: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'));
const here = (name: string) => new URL(name, import.meta.url).pathname;

/** Starts a program of ours and waits for its line `listening on …`. */
function start(program: string, args: string[]): Promise<{ url: string; pid: number }> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const url = /listening on (http:\S+)/.exec(text)?.[1];
      if (url) resolve({ url, pid: child.pid ?? 0 });
    });
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
  });
}

async function startRival(rival: Rival): Promise<Candidate> {
  const [program = '', ...args] = rival.command;
  const child = spawn(program, args, {
    stdio: 'ignore',
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...rival.env },
  });
  children.push(child);
  const target = (stream: boolean): Target => ({
    url: `http://127.0.0.1:${rival.port}${rival.path}`,
    headers: rival.headers,
    body: rival.path.includes('chat') ? chatRequest(stream) : agentRequest(rival.model, stream),
  });
  for (let tries = 0; ; tries += 1) {
    try {
      await measureLatency(target(false), 1);
      return { name: rival.name, pid: child.pid ?? 0, target };
    } catch (error) {
      if (tries > 60) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** The same size for a rival that only speaks Chat Completions, which saves it the translation. */
function chatRequest(stream: boolean): string {
  return JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: 'word '.repeat(8_400) }] });
}

function residentMb(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

/** Processor time that a process has used, in milliseconds (the kernel counts in hundredths of a second). */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function main(): Promise<void> {
  const upstream = await start(process.execPath, [here('gateway/upstream.ts')]);
  const bare = await start(process.execPath, [here('gateway/bare-proxy.ts'), upstream.url]);
  const config = join(folder, 'gateway.json');
  writeFileSync(
    config,
    JSON.stringify({
      providers: {
        anthropic: { base_url: upstream.url, api_key: 'bench-key' },
        chat: { api: 'openai-chat', base_url: `${upstream.url}/v1`, api_key: 'bench-key' },
      },
    }),
  );
  // The built program, as it is published.
  execFileSync(
    'npm',
    [
      'run',
      '--silent',
      'build',
      '-w',
      'packages/protocol',
      '-w',
      'packages/demo-model',
      '-w',
      'packages/gateway',
    ],
    {
      cwd: here('..'),
      stdio: 'ignore',
    },
  );
  // Through its first line, which bounds its memory, as npm's link to it does.
  const program = here('../packages/gateway/dist/main.js');
  chmodSync(program, 0o755);
  const gateways = await Promise.all([0, 1].map(() => start(program, ['--port', '0', '--config', config])));
  const at = (url: string, model: string) => (stream: boolean) => ({
    url: `${url}/v1/messages?beta=true`,
    headers: { 'x-api-key': 'any' },
    body: agentRequest(model, stream),
  });
  const candidates: Candidate[] = [
    { name: 'upstream itself', pid: upstream.pid, target: at(upstream.url, 'claude-opus-4-5') },
    { name: 'bare node:http proxy', pid: bare.pid, target: at(bare.url, 'claude-opus-4-5') },
    {
      name: 'gateway, pass-through',
      pid: gateways[0]?.pid ?? 0,
      target: at(gateways[0]?.url ?? '', 'claude-opus-4-5'),
    },
    {
      name: 'gateway, Chat Completions',
      pid: gateways[1]?.pid ?? 0,
      target: at(gateways[1]?.url ?? '', 'chat/m'),
    },
  ];
  if (values.rivals) {
    for (const install of [installRouter, installPortkey]) {
      try {
        candidates.push(await startRival(await install(folder, upstream.url)));
      } catch (error) {
        console.log(`not measured: ${String(error).split('\n')[0]}`);
      }
    }
  }
  for (const stream of [false, true]) await measure(candidates, stream);
}

async function measure(candidates: readonly Candidate[], stream: boolean): Promise<void> {
  const times = candidates.map(() => [] as number[]);
  for (const candidate of candidates) await measureLatency(candidate.target(stream), 100);
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, candidate] of candidates.entries()) {
      times[at]?.push(...(await measureLatency(candidate.target(stream), perRound)));
    }
  }
  const base = summarise(times[0] ?? []);
  console.log(
    `\n${stream ? 'stream' : 'no stream'}${' '.repeat(stream ? 26 : 23)}median   added     p99   added   req/s@16   CPU ms   RSS MB`,
  );
  for (const [at, candidate] of candidates.entries()) {
    const { median, p99 } = summarise(times[at] ?? []);
    // What is compiled by then is what runs for weeks.
    await measureThroughput(candidate.target(stream), 16, loadMs);
    const before = processorMs(candidate.pid);
    const rate = await measureThroughput(candidate.target(stream), 16, loadMs);
    // What one request costs the process, which a busy machine does not change.
    const cost = (processorMs(candidate.pid) - before) / ((rate * loadMs) / 1000);
    const cells = [median, median - base.median, p99, p99 - base.p99].map((value) =>
      value.toFixed(2).padStart(8),
    );
    console.log(
      `${candidate.name.padEnd(32)}${cells.join('')}${rate.toFixed(0).padStart(11)}${cost.toFixed(2).padStart(9)}${residentMb(candidate.pid).toFixed(0).padStart(9)}`,
    );
  }
}

try {
  await main();
} finally {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true, force: true });
}
