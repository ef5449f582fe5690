import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { checkServerIdentity, connect, type PeerCertificate, rootCertificates, TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { createAuthority } from './authority.ts';

test.each(['api.example.org', '127.0.0.1', '::1'])(
  'certificates for %s are taken by those who trust the authority, and by no others',
  async (host) => {
    const authority = await createAuthority();
    const secureContext = await authority.contextFor(host);
    const server = createServer((socket) => {
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const handshake = async (ca: readonly string[], servername = host): Promise<PeerCertificate | string> => {
      const name = /^[\d.:]+$/.test(servername) ? {} : { servername };
      const socket = connect({
        port,
        host: '127.0.0.1',
        ca: [...ca],
        ...name,
        checkServerIdentity: (_, certificate) => checkServerIdentity(servername, certificate),
      });
      const settled = Promise.race([once(socket, 'secureConnect'), once(socket, 'error')]);
      const [error] = await settled.catch((thrown: Error) => [thrown]);
      const certificate = socket.getPeerCertificate();
      socket.destroy();
      return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : certificate;
    };
    expect(await handshake([authority.certificate])).toMatchObject({ subject: { CN: host } });
    expect(await handshake(rootCertificates)).toMatch(/SELF_SIGNED|UNABLE_TO/);
    expect(await handshake([authority.certificate], 'other.example.org')).toBe(
      'ERR_TLS_CERT_ALTNAME_INVALID',
    );
    server.close();
  },
);
