import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createMarks, findMarked, type Mark } from './marks.ts';

/** Who is at the other end of a connection of this machine, as far as it can be seen. */
export type Peer =
  /** An agent of this server, or something that one started. */
  | 'agent'
  | 'other'
  /** Nobody any more: it sent its request and went away. */
  | 'gone';

/** Tells requests of this server's own agents from others. Linux only; elsewhere everybody is `other`. */
export interface Peers {
  of(socket: Socket): Promise<Peer>;
}

/** What one look at the machine showed. */
interface Look {
  /** The sockets that are connected from one port to another. */
  between(from: number, to: number): Promise<string[]>;
  /** What agents hold. */
  ofAgents: ReadonlySet<string>;
}

/**
 * @param instance names the server's home; each of its agents carries its mark
 *
 * An agent is known by the mark, and what it started by the mark or by its parents. One look took 15 to 20 ms with
 * 130 processes, half of it for /proc/net/tcp, on threads of their own; it is taken once a connection, and
 * one look serves all that came before it began.
 */
export function createPeers(instance: string): Peers {
  const mark = createMarks(instance).home;
  const known = new WeakMap<Socket, Promise<Peer>>();
  let looking: Promise<Look> | undefined;
  let next: Promise<Look> | undefined;

  /** A look that begins from now on. */
  const look = (): Promise<Look> => {
    if (!looking) {
      looking = lookAround(mark).finally(() => {
        looking = undefined;
      });
      return looking;
    }
    next ??= looking.then(() => {
      next = undefined;
      return look();
    });
    return next;
  };

  const find = async ({ localPort, remotePort }: Socket): Promise<Peer> => {
    if (localPort === undefined || remotePort === undefined) return 'gone';
    const { between, ofAgents } = await look();
    const sockets = await between(remotePort, localPort);
    if (sockets.length === 0) return 'gone';
    return sockets.some((socket) => ofAgents.has(socket)) ? 'agent' : 'other';
  };

  return {
    async of(socket) {
      if (process.platform !== 'linux') return 'other';
      let peer = known.get(socket);
      if (!peer) {
        peer = find(socket);
        known.set(socket, peer);
      }
      return peer;
    },
  };
}

async function lookAround(mark: Mark): Promise<Look> {
  const [first, ofAgents] = await Promise.all([readConnections('tcp'), socketsOfAgents(mark)]);
  let second: Promise<Connections> | undefined;
  return {
    ofAgents,
    async between(from, to) {
      const key = `${from} ${to}`;
      const found = first.get(key);
      if (found) return found;
      // Few programs reach an IPv4 address from an IPv6 socket, and each table costs as much as all the rest.
      second ??= readConnections('tcp6');
      return (await second).get(key) ?? [];
    },
  };
}

/** Sockets by the ports of their two ends. */
type Connections = ReadonlyMap<string, string[]>;

/** A socket that no process holds any more has the number 0 and is left out. */
async function readConnections(table: 'tcp' | 'tcp6'): Promise<Connections> {
  const found = new Map<string, string[]>();
  for (const line of (await read(`/proc/net/${table}`)).split('\n')) {
    // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
    const [, local = '', remote = '', , , , , , , inode] = line.trim().split(/\s+/);
    if (!inode || inode === '0') continue;
    const key = `${portOf(local)} ${portOf(remote)}`;
    found.set(key, [...(found.get(key) ?? []), `socket:[${inode}]`]);
  }
  return found;
}

const portOf = (address: string): number => Number.parseInt(address.split(':')[1] ?? '', 16);

/** The sockets of all agents and of everything that they started. */
async function socketsOfAgents(mark: Mark): Promise<Set<string>> {
  const sockets = new Set<string>();
  const seen = new Set<number>();
  const visit = async (pid: number): Promise<void> => {
    if (seen.has(pid) || pid === process.pid) return;
    seen.add(pid);
    const [children, fds] = await Promise.all([childrenOf(pid), list(`/proc/${pid}/fd`)]);
    const links = fds.map(async (fd) => {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (target.startsWith('socket:')) sockets.add(target);
    });
    await Promise.all([...links, ...children.map(visit)]);
  };
  await Promise.all((await findMarked(mark)).map(visit));
  return sockets;
}

/** Also those without the mark. A thread may have children of its own. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await list(`/proc/${pid}/task`);
  const children = await Promise.all(threads.map((thread) => read(`/proc/${pid}/task/${thread}/children`)));
  return children.flatMap((text) => text.split(' ').filter(Boolean).map(Number));
}

/** Empty for what is gone, or another user's: not our agent's in either case. */
const read = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');
const list = (path: string): Promise<string[]> => readdir(path).catch(() => []);
