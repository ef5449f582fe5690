/** Which `npm run chat` use the server of a home folder: the last one that leaves ends it, if one of them started it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export interface ChatUsers {
  /** Notes that the server with this process id was started here, and ends with the last user. */
  started(serverPid: number): void;
  /** Takes this process off the list. Ends the server when nobody is left; false when others go on using it. */
  leave(): Promise<boolean>;
}

const POLL_MS = 50;

/** Puts this process on the list. Done before looking for a server, so that no user who leaves ends it meanwhile. */
export function joinChatUsers(home: string): ChatUsers {
  const folder = join(home, 'chats');
  const own = join(folder, String(process.pid));
  const serverFile = join(folder, 'server');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(own, '', { mode: 0o600 });

  const others = (): number[] =>
    readdirSync(folder)
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid && isAlive(pid));

  return {
    started(serverPid) {
      writeFileSync(serverFile, String(serverPid), { mode: 0o600 });
    },
    async leave() {
      rmSync(own, { force: true });
      if (others().length > 0) return false;
      const pid = readNumber(serverFile);
      // Only the server that has the home now: another one may have been started with `npm start` in the meantime.
      if (pid === undefined || pid !== readNumber(join(home, 'server.pid')) || !isAlive(pid)) return true;
      process.kill(pid, 'SIGTERM');
      // It has processes of its own to bring down.
      while (isAlive(pid)) await pause(POLL_MS);
      rmSync(serverFile, { force: true });
      return true;
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readNumber(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8').trim()) || undefined;
  } catch {
    return undefined;
  }
}
