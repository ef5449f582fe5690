import { AgentClient, ApiError, RequestTimeout, ServerUnreachable } from 'claude-agent-client';
import { type Args, readArgs } from './args.ts';
import type { Context } from './context.ts';
import { EXIT, type ExitCode, UsageError } from './exit.ts';
import { readSettings } from './settings.ts';
import { createPaint } from './term/style.ts';

type Command = (context: Context) => Promise<ExitCode>;

/** Each command in its own file, loaded when it is asked for: the program starts as fast as its smallest part. */
const COMMANDS: Record<Args['command'] | 'print', () => Promise<Command>> = {
  chat: async () => (await import('./commands/chat.ts')).chat,
  print: async () => (await import('./commands/print.ts')).print,
  sessions: async () => (await import('./commands/sessions.ts')).sessions,
  show: async () => (await import('./commands/show.ts')).show,
  events: async () => (await import('./commands/events.ts')).events,
  permissions: async () => (await import('./commands/permissions.ts')).permissions,
  usage: async () => (await import('./commands/usage.ts')).usage,
  audit: async () => (await import('./commands/audit.ts')).audit,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  completion: async () => (await import('./commands/completion.ts')).completion,
  help: async () => (await import('./commands/help.ts')).help,
  version: async () => (await import('./commands/help.ts')).version,
};

const settings = readSettings(process.env, process.stdout.isTTY);

async function run(): Promise<ExitCode> {
  const args = readArgs(process.argv.slice(2), settings);
  // Without a terminal on both ends there is nobody to talk to: the prompt is what comes in.
  const isChat = args.command === 'chat';
  const isInteractive = isChat && args.print === undefined && process.stdin.isTTY && process.stdout.isTTY;
  const command = await COMMANDS[isChat && !isInteractive ? 'print' : args.command]();
  return command({
    args,
    settings,
    client: new AgentClient({ baseUrl: args.server, apiKey: args.apiKey }),
    paint: createPaint(args.color),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
  });
}

/** A resume that the server refuses since another process uses the conversation. */
const IN_USE: ReadonlySet<string> = new Set(['conversation_in_use', 'conversation_diverged']);

/** One sentence for the user, and the code for the caller. */
function report(error: unknown): ExitCode {
  if (error instanceof UsageError) {
    const words = `${error.message}\nclaude-agent --help says more.\n`;
    // Started by a script, the program has another name there.
    process.stderr.write(words.replaceAll('claude-agent ', `${settings.program} `));
    return EXIT.usage;
  }
  if (error instanceof ServerUnreachable || error instanceof RequestTimeout) {
    process.stderr.write(`${error.message}\n`);
    return EXIT.serverAway;
  }
  if (error instanceof ApiError) {
    const fields = error.errors.map(({ path, message }) => `  ${path}: ${message}\n`).join('');
    process.stderr.write(`${error.detail} (${error.code})\n${fields}`);
    if (IN_USE.has(error.code)) process.stderr.write('With this program: add --force.\n');
    return EXIT.failed;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  return EXIT.failed;
}

// `claude-agent … | head` closes the pipe: that is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
});

process.exitCode = await run().catch(report);
