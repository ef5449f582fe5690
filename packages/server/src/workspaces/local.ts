import { randomUUID } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from 'claude-agent-gateway';
import { z } from 'zod';
import { messageOf } from '../errors.ts';

const STATE = '.state.json';

/** What a workspace's folder holds, beside it. */
const LocalState = z.object({
  /** The object of the saved state that it was last in. */
  key: z.string(),
  base: z.object({ key: z.string(), tips: z.array(z.string()) }).nullable(),
  /** An object that may be the newest saved state: it was stored, and perhaps also noted. */
  next: z.string().optional(),
  /** What the folder looked like in the state `key`. */
  fingerprint: z.string().optional(),
  /** The server whose agents may have changed the folder since. */
  changedBy: z.string().optional(),
});
export type LocalState = z.infer<typeof LocalState>;

/** The places on this machine: `<folder>/<session id>/<name>` for a workspace, and one for temporary files. */
export interface Places {
  folder: string;
  temporary: string;
  /** Names this server. */
  instance: string;
  /** Whether a session's folder is one of the workspaces kept here. */
  isOurs(cwd: string): boolean;
  /** Runs something with a folder for its files, on the file system of the workspaces. */
  withScratch<T>(work: (scratch: string) => Promise<T>): Promise<T>;
}

/** @param instance names this server's temporary folder: several servers may share the other one */
export function createPlaces(folder: string, instance: string): Places {
  const temporary = join(folder, `.tmp-${instance}`);
  return {
    folder,
    temporary,
    instance,
    isOurs: (cwd) => dirname(dirname(cwd)) === folder,
    async withScratch(work) {
      const scratch = join(temporary, randomUUID());
      await mkdir(scratch, { recursive: true, mode: 0o700 });
      try {
        return await work(scratch);
      } finally {
        await remove(scratch);
      }
    },
  };
}

/** @param beside the folder around a workspace's own */
export async function readState(beside: string): Promise<LocalState | undefined> {
  try {
    return LocalState.parse(JSON.parse(await readFile(join(beside, STATE), 'utf8')));
  } catch {
    return undefined;
  }
}

export async function writeState(beside: string, state: LocalState): Promise<void> {
  const partial = join(beside, `${STATE}.partial`);
  await writeFile(partial, JSON.stringify(state), { mode: 0o600, flush: true });
  await rename(partial, join(beside, STATE));
}

export const remove = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 3 });

/** The folder for workspaces. @throws ConfigError when it cannot be made */
export function openFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return realpathSync(path);
  } catch (error) {
    throw new ConfigError(
      `The folder for workspaces ${path} cannot be made: ${messageOf(error)}. Name another with --workspaces.`,
    );
  }
}
