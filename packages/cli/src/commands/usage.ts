import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { usageLines } from '../usage-table.ts';

/** `claude-agent usage [ID]`: tokens and cost of one session, or of all. */
export async function usage({ args, client, paint, stdout }: Context): Promise<ExitCode> {
  const [id] = args.rest;
  const used = id === undefined ? await client.usage() : await client.session(id).usage();
  stdout.write(
    args.json ? `${JSON.stringify(used, undefined, 2)}\n` : `${usageLines(used, paint).join('\n')}\n`,
  );
  return EXIT.done;
}
