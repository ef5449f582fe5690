import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMarks } from './marks.ts';
import { createPeers } from './peers.ts';

// With real sockets and processes of this machine; trust.test.ts shows it on the real agent.

let server: Server;
const waiting: ((socket: Socket) => void)[] = [];
beforeAll(async () => {
  server = createServer((socket) => waiting.shift()?.(socket));
  await new Promise<void>((resolve) => server.listen(0, '::', resolve));
});
afterAll(() => server.close());

const port = (): number => {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};
/** The listing itself has a descriptor that is closed by now. */
const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};
const accepted = (): Promise<Socket> => new Promise((resolve) => waiting.push(resolve));

describe.skipIf(process.platform !== 'linux')('the other end of a connection', () => {
  test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1'])('is told at %s', async (host) => {
    const [ofA, ofB] = ['a', 'b'].map((instance) => createPeers(instance));
    const arriving = accepted();
    // A process with the mark of the server a, that stays until its connection ends.
    const code = `require("node:net").connect(${port()}, "${host}").resume()`;
    const child = spawn(process.execPath, ['-e', code], {
      env: { ...process.env, ...createMarks('a').environment('session') },
      stdio: 'ignore',
    });
    const socket = await arriving;
    expect(await ofA?.of(socket)).toBe('agent');
    expect(await ofB?.of(socket)).toBe('other');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    socket.destroy();
    await ended;
  });

  test('is gone when nobody holds it any more', async () => {
    const arriving = accepted();
    const client = connect(port(), '127.0.0.1');
    const socket = await arriving;
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.destroy();
    await closed;
    expect(await createPeers('a').of(socket)).toBe('gone');
    socket.destroy();
  });

  test('is looked for without leaving a file open', async () => {
    const arriving = accepted();
    const client = connect(port(), '127.0.0.1');
    const socket = await arriving;
    expect(await createPeers('a').of(socket)).toBe('other');
    await new Promise(setImmediate);
    const open = readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));
    expect(open.filter((path) => path.includes('/net/tcp'))).toEqual([]);
    client.destroy();
    socket.destroy();
  });

  test('is looked for once, and one look serves many connections', async () => {
    const peers = createPeers('a');
    const clients: Socket[] = [];
    const sockets: Socket[] = [];
    for (let n = 0; n < 50; n++) {
      const arriving = accepted();
      clients.push(connect(port(), '127.0.0.1'));
      sockets.push(await arriving);
    }
    const told = await Promise.all(sockets.map((socket) => peers.of(socket)));
    expect(new Set(told)).toEqual(new Set(['other']));
    for (const client of clients) client.destroy();
    // It is gone by now, and still known.
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve))),
    );
    const [first] = sockets;
    expect(first && (await peers.of(first))).toBe('other');
  });
});
