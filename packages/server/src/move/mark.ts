import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../config.ts';
import type { Sql } from '../store/postgres/pool.ts';

/** The file that says in a home that its sessions go to PostgreSQL, or are there. */
const FILE = 'moved.json';

const Mark = z.object({
  /** The same as in the database. */
  move: z.string(),
  /** Without its password. */
  to: z.string(),
  begun_at: z.string(),
  ended_at: z.string().nullable(),
});
export type Mark = z.infer<typeof Mark>;

/** Of a home whose sessions are not moved: undefined. @throws ConfigError for a file that is none of ours */
export function readMark(home: string): Mark | undefined {
  const path = join(home, FILE);
  if (!existsSync(path)) return undefined;
  try {
    return Mark.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    throw new ConfigError(
      `${path} cannot be read. It says where the sessions of this home were moved to; remove it if they were not.`,
    );
  }
}

/** On disk when it returns. */
export function writeMark(home: string, mark: Mark): void {
  const path = join(home, FILE);
  const partial = `${path}.partial`;
  const file = openSync(partial, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify(mark, undefined, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

/** Keeps a server from going on with sessions that go on elsewhere. @throws ConfigError */
export function refuseMoved(home: string): void {
  const mark = readMark(home);
  if (!mark) return;
  const path = join(home, FILE);
  throw new ConfigError(
    mark.ended_at === null
      ? `The sessions of ${home} are being moved to ${mark.to}. Run "claude-agent-server migrate" again to finish that. To go on with this home instead, remove ${path}.`
      : `The sessions of ${home} were moved to ${mark.to} on ${mark.ended_at}. Start with --database-url (AGENT_SERVER_DATABASE_URL). To go back to what they were then, remove ${path}.`,
  );
}

/** Keeps a node from starting on sessions of which a part is there. @throws ConfigError */
export async function refuseUnfinished(sql: Pick<Sql, 'get'>): Promise<void> {
  if (!(await sql.get('select from moved_home where ended_at is null'))) return;
  throw new ConfigError(
    'The sessions of a home are being moved to this database. Run "claude-agent-server migrate" again to finish that, or use another database.',
  );
}
