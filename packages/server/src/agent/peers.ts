import { readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createMarks, findMarked, type Mark } from './marks.ts';
import { inSlices, listProc, partsOfProc, readProc } from './proc.ts';

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
  between(from: number, to: number): string[];
  /** Sockets that agents hold. */
  ofAgents: ReadonlySet<string>;
}

/**
 * @param instance identifies the server's home; its agents carry this mark
 *
 * An agent is recognised by the mark, and its children by the mark or by their parents. One scan takes 7 ms with 150
 * processes, half of it for /proc/net/tcp. Each connection is scanned once, and one scan
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
    const sockets = between(remotePort, localPort);
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
  const ofAgents = await socketsOfAgents(mark);
  // Few programs reach an IPv4 address from an IPv6 socket, and each table costs as much as the rest of the scan.
  const tables = [readConnections('tcp'), readConnections('tcp6')];
  return {
    ofAgents,
    between(from, to) {
      for (const table of tables) {
        const found = table(from, to);
        if (found.length > 0) return found;
      }
      return [];
    },
  };
}

/** Finds the sockets between two ports. The table is read as far as needed: the kernel takes up to 6 ms for all of it. */
function readConnections(table: 'tcp' | 'tcp6'): (from: number, to: number) => string[] {
  let parts: ReturnType<typeof partsOfProc> | undefined;
  let text = '';
  /** All who waited for the scan ask at once; the file must not stay open after that. */
  const open = (): ReturnType<typeof partsOfProc> => {
    const opened = partsOfProc(`/proc/net/${table}`);
    setImmediate(() => {
      opened.return();
      parts = undefined;
    });
    text = '';
    return opened;
  };
  return (from, to) => {
    parts ??= open();
    // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
    const line = new RegExp(`:${port(from)} [0-9A-F]+:${port(to)} (?:[^ \\n]+ +){6}(\\d+) .*\\n`, 'g');
    for (;;) {
      const inodes = [...text.matchAll(line)].map(([, inode]) => inode);
      // A socket that no process holds has inode 0.
      const held = inodes.filter((inode) => inode !== '0').map((inode) => `socket:[${inode}]`);
      if (held.length > 0) return held;
      const next = parts.next();
      if (next.done) return [];
      text += next.value;
    }
  };
}

const port = (number: number): string => number.toString(16).toUpperCase().padStart(4, '0');

/** The sockets of all agents and of the processes they started. */
async function socketsOfAgents(mark: Mark): Promise<Set<string>> {
  const sockets = new Set<string>();
  const pids = new Set(await findMarked(mark));
  // A set that grows is walked to its new end.
  await inSlices(pids, (pid) => {
    if (pid === process.pid) return;
    for (const child of childrenOf(pid)) pids.add(child);
    for (const fd of listProc(`/proc/${pid}/fd`)) {
      const target = linkOf(`/proc/${pid}/fd/${fd}`);
      if (target.startsWith('socket:')) sockets.add(target);
    }
  });
  return sockets;
}

/** Includes children without the mark. Each thread may have children. */
const childrenOf = (pid: number): number[] =>
  listProc(`/proc/${pid}/task`).flatMap((thread) =>
    readProc(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );

/** Empty for one that is closed. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
