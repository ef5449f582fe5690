import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What one sandbox may use. A limit that is left out does not exist. */
export interface SandboxLimits {
  memoryBytes?: number | undefined;
  /** Processes and threads. */
  processes?: number | undefined;
  /** The longest file. */
  fileBytes?: number | undefined;
  /** All files in its folders; measured, not enforced by the kernel. */
  diskBytes?: number | undefined;
}

/** A group of processes with limits, for one sandbox. */
export interface LimitGroup {
  /** A process joins by writing its id into these files; what it starts afterwards belongs to the group too. */
  joins: readonly string[];
  /** Call it when all have ended. */
  remove(): Promise<void>;
}

/** The kernel's control groups, as far as this server may make some. */
export interface ControlGroups {
  limits: { memory: boolean; processes: boolean };
  open(name: string, limits: SandboxLimits): LimitGroup;
}

type Controller = 'memory' | 'pids';

/** Where groups with a controller can be made, and the names of its limits there. */
interface Place {
  folder: string;
  memoryFile: string;
}

const CONTROLLERS: readonly Controller[] = ['memory', 'pids'];
/** The kernel needs a moment until a group whose processes have ended can go. */
const REMOVE_ATTEMPTS = 20;

/**
 * Version 1 has a tree for each controller, version 2 one for all, in which a group that has processes cannot have groups
 * below it with limits: there, those of agents go beside the server's own (`DelegateSubgroup=` of systemd makes room).
 *
 * @param self what /proc/self/cgroup says
 */
export function findControlGroups(
  root = '/sys/fs/cgroup',
  self = existsSync('/proc/self/cgroup') ? readFileSync('/proc/self/cgroup', 'utf8') : '',
): ControlGroups {
  const lines = self.split('\n').map((line) => line.split(':'));
  const unified = lines.find(([number]) => number === '0')?.[2] ?? '/';
  const placeOf = (controller: Controller): Place | undefined => {
    const own = lines.find(([, names]) => names?.split(',').includes(controller));
    if (own) {
      const [, names = '', path = '/'] = own;
      return writable({ folder: join(root, names, path), memoryFile: 'memory.limit_in_bytes' });
    }
    const own2 = join(root, unified);
    const place = [own2, dirname(own2)].find(
      (folder) => shares(folder, controller) && folder.startsWith(root),
    );
    return place === undefined ? undefined : writable({ folder: place, memoryFile: 'memory.max' });
  };
  const places = new Map(CONTROLLERS.map((controller) => [controller, placeOf(controller)]));

  return {
    limits: { memory: places.get('memory') !== undefined, processes: places.get('pids') !== undefined },
    open(name, { memoryBytes, processes }) {
      const wanted: [Controller, number | undefined][] = [
        ['memory', memoryBytes],
        ['pids', processes],
      ];
      const folders = new Set<string>();
      for (const [controller, limit] of wanted) {
        const place = places.get(controller);
        if (limit === undefined || !place) continue;
        const folder = join(place.folder, name);
        mkdirSync(folder, { recursive: true });
        folders.add(folder);
        writeFileSync(join(folder, controller === 'pids' ? 'pids.max' : place.memoryFile), String(limit));
      }
      return {
        joins: [...folders].map((folder) => join(folder, 'cgroup.procs')),
        remove: () => removeAll(folders),
      };
    },
  };
}

/** Whether groups below this one of version 2 have a controller. */
function shares(folder: string, controller: Controller): boolean {
  try {
    return readFileSync(join(folder, 'cgroup.subtree_control'), 'utf8')
      .trim()
      .split(' ')
      .includes(controller);
  } catch {
    return false;
  }
}

/** A place where a group can be made. */
function writable(place: Place): Place | undefined {
  const trial = join(place.folder, `claude-agent-trial-${process.pid}`);
  try {
    mkdirSync(trial);
    rmdirSync(trial);
    return place;
  } catch {
    return undefined;
  }
}

async function removeAll(folders: Iterable<string>): Promise<void> {
  for (const folder of folders) {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
      try {
        rmdirSync(folder);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY') break;
        await sleep(10);
      }
    }
  }
}
