import { createReadStream, createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../exit.ts';

/** What follows `claude-agent sessions`. */
const USAGE =
  'sessions takes filters, or: export ID [FILE], import [FILE], erase ID --yes. Without FILE: standard output, standard input.';

/** `claude-agent sessions export ID [FILE]`, `sessions import [FILE]`, `sessions erase ID --yes`. */
export async function move(context: Context): Promise<ExitCode> {
  const [action, ...rest] = context.args.rest;
  const [first, second, ...more] = rest;
  if (more.length > 0) throw new UsageError(USAGE);
  if (action === 'export' && first !== undefined) return exportTo(context, first, second);
  if (action === 'import' && second === undefined) return importFrom(context, first);
  if (action === 'erase' && first !== undefined && second === undefined) return erase(context, first);
  throw new UsageError(USAGE);
}

async function exportTo(
  { client, stdout, stderr }: Context,
  id: string,
  file: string | undefined,
): Promise<ExitCode> {
  if (file === undefined) {
    // Not ended: the program may have more to say there.
    await pipeline(Readable.fromWeb((await client.session(id).export()) as NodeStream), stdout, {
      end: false,
    });
    return EXIT.done;
  }
  const exported = await client.session(id).export();
  try {
    // Never over something that exists.
    await pipeline(Readable.fromWeb(exported as NodeStream), createWriteStream(file, { flags: 'wx' }));
  } catch (error) {
    if (isCode(error, 'EEXIST')) throw new UsageError(`${file} exists already; give another name.`);
    await rm(file, { force: true });
    throw error;
  }
  stderr.write(`Saved to ${file}\n`);
  return EXIT.done;
}

async function importFrom(
  { args, client, stdin, stdout }: Context,
  file: string | undefined,
): Promise<ExitCode> {
  const lines = file === undefined ? stdin : await openFile(file);
  const { cwd } = args.options;
  const imported = await client.sessions.import(
    Readable.toWeb(lines) as ReadableStream<Uint8Array>,
    cwd === undefined ? {} : { cwd },
  );
  const { session_id: id, turns, events } = imported;
  stdout.write(
    args.json
      ? `${JSON.stringify(imported, undefined, 2)}\n`
      : `${id}  ${turns} turns, ${events} events. To continue: claude-agent --resume ${id}\n`,
  );
  return EXIT.done;
}

async function openFile(file: string): Promise<Readable> {
  try {
    await (await open(file)).close();
  } catch (error) {
    const why = isCode(error, 'ENOENT') ? 'There is no file' : 'This file cannot be read:';
    throw new UsageError(`${why} ${file}.`);
  }
  return createReadStream(file);
}

async function erase({ args, client, stdout }: Context, id: string): Promise<ExitCode> {
  if (!args.yes) {
    throw new UsageError(
      `This removes session ${id} for good, with its events and the agent's files. To do it: claude-agent sessions erase ${id} --yes`,
    );
  }
  await client.session(id).erase();
  stdout.write(args.json ? `${JSON.stringify({ session_id: id, status: 'erased' })}\n` : 'Erased.\n');
  return EXIT.done;
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
