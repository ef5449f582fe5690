import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The program, from its sources. */
export const PROGRAM = [
  process.execPath,
  '--conditions=claude-agent-source',
  resolve(import.meta.dirname, '../../src/main.ts'),
];

export interface TerminalOptions {
  /** The program's arguments. */
  args: string[];
  /** Replaces the client as what is run. */
  command?: string[];
  cwd: string;
  env?: Record<string, string>;
  columns?: number;
  rows?: number;
}

/** A real terminal with the client in it, driven by tmux. */
export interface Terminal {
  /** Types text, as a person would, without Enter. */
  type(text: string): Promise<void>;
  /** Presses keys by tmux's names: `Enter`, `C-c`, `Up`, … */
  press(...keys: string[]): Promise<void>;
  /** Types a line and presses Enter. */
  enter(text: string): Promise<void>;
  /** Pastes text in one piece, as the terminal does when it knows bracketed paste. */
  paste(text: string): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** What is on the screen, without empty lines at the end. */
  screen(): Promise<string>;
  /** The screen and everything that has scrolled away. */
  everything(): Promise<string>;
  /** Waits until the screen shows something. */
  shows(what: string | RegExp, timeoutMs?: number): Promise<string>;
  /** Waits until the screen no longer shows something. */
  hides(what: string | RegExp): Promise<void>;
  /** Waits for the program's end; its exit code. */
  exitCode(): Promise<number>;
  close(): Promise<void>;
}

/** These tests look at a real screen: without tmux they fail, and say what to install. */
export function requireTmux(): void {
  try {
    execFileSync('tmux', ['-V']);
  } catch {
    throw new Error(
      'tmux is needed for the terminal tests. Install it: apt-get install tmux, or brew install tmux',
    );
  }
}

/** A screen tells nobody when it changes: looks at it again and again. Fails with what it showed last. */
async function until(
  look: () => Promise<string>,
  isRight: (seen: string) => boolean,
  complaint: string,
  timeoutMs = 8_000,
): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (isRight(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`${complaint}. It shows:\n${seen}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export async function openTerminal(options: TerminalOptions): Promise<Terminal> {
  const { args, cwd, env = {}, columns = 100, rows = 30 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'claude-agent-terminal-'));
  const socket = join(folder, 'tmux');
  const tmux = async (...command: string[]): Promise<string> =>
    (await run('tmux', ['-u', '-f', '/dev/null', '-S', socket, ...command])).stdout;

  const variables = {
    LANG: 'C.UTF-8',
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
    NO_COLOR: '1',
    ...env,
  };
  const program = [...(options.command ?? PROGRAM), ...args];
  // tmux sometimes loses the exit code of a program that ends quickly: a shell around it writes it down.
  const exitFile = join(folder, 'exit');
  const keepExitCode = ['sh', '-c', '"$@"; echo $? > "$0"', exitFile];
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const words = ['env', ...assignments, ...keepExitCode, ...program];
  await tmux(
    ...[
      'start-server',
      ';',
      'set',
      '-g',
      'remain-on-exit',
      'on',
      ';',
      'set',
      '-g',
      'history-limit',
      '5000',
      ';',
    ],
    ...['new-session', '-d', '-x', String(columns), '-y', String(rows), '-c', cwd, ...words],
  );

  const capture = async (...flags: string[]): Promise<string> =>
    (await tmux('capture-pane', '-p', ...flags)).replace(/[ \t]+$/gm, '').trimEnd();
  const terminal: Terminal = {
    type: async (text) => void (await tmux('send-keys', '-l', '--', text)),
    press: async (...keys) => void (await tmux('send-keys', ...keys)),
    async enter(text) {
      await terminal.type(text);
      await terminal.press('Enter');
    },
    async paste(text) {
      const buffer = randomUUID();
      await tmux('set-buffer', '-b', buffer, '--', text);
      await tmux('paste-buffer', '-p', '-r', '-d', '-b', buffer);
    },
    resize: async (width, height) =>
      void (await tmux('resize-window', '-x', String(width), '-y', String(height))),
    screen: () => capture(),
    everything: () => capture('-S', '-'),
    shows: (what, timeoutMs = 8_000) =>
      until(
        capture,
        (screen) => (typeof what === 'string' ? screen.includes(what) : what.test(screen)),
        `the screen never showed ${what}`,
        timeoutMs,
      ),
    hides: async (what) =>
      void (await until(
        capture,
        (screen) => !(typeof what === 'string' ? screen.includes(what) : what.test(screen)),
        `the screen went on showing ${what}`,
      )),
    async exitCode() {
      const look = async (): Promise<string> => (existsSync(exitFile) ? readFileSync(exitFile, 'utf8') : '');
      return Number(await until(look, (text) => text.endsWith('\n'), 'the program did not end'));
    },
    async close() {
      await tmux('kill-server').catch(() => undefined);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return terminal;
}
