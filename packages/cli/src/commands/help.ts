import { readFileSync } from 'node:fs';
import { helpText } from '../args.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';

export async function help({ settings, stdout }: Context): Promise<ExitCode> {
  stdout.write(helpText(settings.program));
  return EXIT.done;
}

export async function version({ stdout }: Context): Promise<ExitCode> {
  stdout.write(`${programVersion()}\n`);
  return EXIT.done;
}

/** From package.json, two folders up in the sources and in the built package alike. */
export function programVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
