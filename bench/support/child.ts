import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Child {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts a TypeScript program that prints `listening on URL` when it is ready. */
export async function startProgram(
  file: string,
  {
    args = [],
    env = {},
    built = false,
  }: {
    args?: string[];
    env?: Record<string, string>;
    /** The file is JavaScript as it is published: `npm run build` made it. */
    built?: boolean;
  } = {},
): Promise<Child> {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const flags = built ? [] : ['--conditions=claude-agent-source'];
  const child = spawn(process.execPath, [...flags, path, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    url: await ready(child),
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const url = /listening on (\S+)/.exec(out)?.[1];
      if (url) resolve(url);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.once('exit', (code) => reject(new Error(`the program ended with code ${code}: ${out}`)));
  });
}
