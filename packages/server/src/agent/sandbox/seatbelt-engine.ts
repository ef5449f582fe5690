import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { limitsCommand } from './bubblewrap-engine.ts';
import type { Engine } from './engine.ts';
import type { Mount } from './mounts.ts';
import { seatbeltProfile } from './seatbelt-profile.ts';

const run = promisify(execFile);

const PROGRAM = '/usr/bin/sandbox-exec';

/** What the agent's folders are called for the agent, which finds them by these variables instead of by mounts. */
export interface Places {
  home: string;
  config: string;
}

/**
 * Sandboxes by macOS itself.
 * @throws Error with the reason when there are none
 */
export async function openSeatbeltEngine(places: Places): Promise<Engine> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there`);
  await run(PROGRAM, ['-p', seatbeltProfile([]), '/usr/bin/true']).catch(
    (error: { stderr?: string; message: string }) => {
      throw new Error(`seatbelt cannot make a sandbox here: ${error.stderr?.trim() || error.message}`);
    },
  );
  return {
    version: 'seatbelt',
    isolatesNetwork: false,
    async open({ mounts, limits }) {
      const { real, variables } = moveInto(places, mounts);
      return {
        wrap: (program, args) => ({
          command: PROGRAM,
          args: [
            '-p',
            seatbeltProfile([...real, { kind: 'read', path: realpathSync(program) }]),
            ...limitsCommand(limits),
            program,
            ...args,
          ],
          descriptors: [],
          channel: undefined,
          env: variables,
        }),
        started() {},
        take() {},
        ready: Promise.resolve(),
        async leave() {},
      };
    },
    async close() {},
  };
}

/**
 * A folder that others see elsewhere cannot be shown under its usual path here. The agent finds its home, its configuration
 * and its temporary files by variables, and what is shown inside of them by links.
 */
export function moveInto(
  { home, config }: Places,
  mounts: readonly Mount[],
): { real: Mount[]; variables: Record<string, string> } {
  const sourceOf = (path: string): string | undefined =>
    mounts.flatMap((mount) => (mount.kind === 'write' && mount.path === path ? (mount.source ?? []) : []))[0];
  const [ownHome, ownConfig, ownTmp] = [home, config, '/tmp'].map(sourceOf);
  for (const mount of mounts) {
    if (
      (mount.kind !== 'read' && mount.kind !== 'write') ||
      !ownConfig ||
      !mount.path.startsWith(`${config}/`)
    )
      continue;
    const link = join(ownConfig, mount.path.slice(config.length + 1));
    mkdirSync(dirname(link), { recursive: true, mode: 0o700 });
    rmSync(link, { recursive: true, force: true });
    symlinkSync(mount.source ?? mount.path, link);
  }
  return {
    // Rules are about real paths.
    real: mounts.map((mount): Mount => {
      const path = 'source' in mount && mount.source !== undefined ? mount.source : mount.path;
      const there = existsSync(path) ? realpathSync(path) : path;
      return mount.kind === 'read' || mount.kind === 'write'
        ? { kind: mount.kind, path: there }
        : { ...mount, path: there };
    }),
    variables: {
      ...(ownHome && { HOME: ownHome }),
      ...(ownConfig && { CLAUDE_CONFIG_DIR: ownConfig }),
      ...(ownTmp && { TMPDIR: ownTmp }),
    },
  };
}
