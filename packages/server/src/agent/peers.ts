import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createMarks, findMarked, type Mark } from './marks.ts';

/** The process at the other end of a local connection, as far as the system shows it. */
export type Peer =
  /** An agent of this server, or a process that one started. */
  | 'agent'
  | 'other'
  /** Nobody: the client closed the connection after its request. */
  | 'gone';

/** Distinguishes requests of this server's agents from others. Linux only; elsewhere every peer is `other`. */
export interface Peers {
  of(socket: Socket): Promise<Peer>;
}

/** One scan of the machine's connections and processes. */
interface Scan {
  /** The sockets that are connected from one port to another. */
  between(from: number, to: number): Promise<string[]>;
  /** Sockets that agents hold. */
  ofAgents: ReadonlySet<string>;
}

/**
 * @param instance identifies the server's home; its agents carry this mark
 *
 * An agent is recognised by the mark, and its children by the mark or by their parents. One scan took 15 to 20 ms with
 * 130 processes, half of it for /proc/net/tcp, off the main thread. Each connection is scanned once, and one scan
 * serves all requests that arrived before it began.
 */
export function createPeers(instance: string): Peers {
  const mark = createMarks(instance).home;
  const known = new WeakMap<Socket, Promise<Peer>>();
  let scanning: Promise<Scan> | undefined;
  let next: Promise<Scan> | undefined;

  /** A scan that begins after this call. */
  const scan = (): Promise<Scan> => {
    if (!scanning) {
      scanning = scanMachine(mark).finally(() => {
        scanning = undefined;
      });
      return scanning;
    }
    next ??= scanning.then(() => {
      next = undefined;
      return scan();
    });
    return next;
  };

  const find = async ({ localPort, remotePort }: Socket): Promise<Peer> => {
    if (localPort === undefined || remotePort === undefined) return 'gone';
    const { between, ofAgents } = await scan();
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

async function scanMachine(mark: Mark): Promise<Scan> {
  const [first, ofAgents] = await Promise.all([readConnections('tcp'), socketsOfAgents(mark)]);
  let second: Promise<Connections> | undefined;
  return {
    ofAgents,
    async between(from, to) {
      const key = `${from} ${to}`;
      const found = first.get(key);
      if (found) return found;
      // Few programs reach an IPv4 address from an IPv6 socket, and each table costs as much as the rest of the scan.
      second ??= readConnections('tcp6');
      return (await second).get(key) ?? [];
    },
  };
}

/** Sockets by the ports of their two ends. */
type Connections = ReadonlyMap<string, string[]>;

/** A socket that no process holds has inode 0 and is left out. */
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

/** The sockets of all agents and of the processes they started. */
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

/** Includes children without the mark. Each thread may have children. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await list(`/proc/${pid}/task`);
  const children = await Promise.all(threads.map((thread) => read(`/proc/${pid}/task/${thread}/children`)));
  return children.flatMap((text) => text.split(' ').filter(Boolean).map(Number));
}

/** Empty for a process that is gone or another user's: not an agent of ours either way. */
const read = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');
const list = (path: string): Promise<string[]> => readdir(path).catch(() => []);
