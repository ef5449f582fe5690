import { expect, test } from 'vitest';
import { admit, parseAllowedHost } from './allowed-hosts.ts';

const hosts = [
  'example.org',
  '*.example.net',
  'internal.example:8443',
  '10.1.2.3',
  '[fd00::1]:80',
  'localhost',
].flatMap((text) => parseAllowedHost(text) ?? []);

test.each([
  ['example.org', 443, true],
  ['EXAMPLE.org.', 80, true],
  ['example.org', 22, false],
  ['a.example.org', 443, false],
  ['example.org.evil.test', 443, false],
  ['a.b.example.net', 443, true],
  ['example.net', 443, false],
  ['evilexample.net', 443, false],
  ['internal.example', 8443, true],
  ['internal.example', 443, false],
  ['10.1.2.3', 443, true],
  ['10.1.2.4', 443, false],
  ['fd00::1', 80, true],
  ['[fd00::1]', 80, true],
])('%s:%i may be reached: %s', (host, port, may) => {
  expect(admit(hosts, host, port) !== undefined).toBe(may);
});

test.each(['', 'a b', 'http://example.org', '*', '*.', 'a*.example.org', 'example.org:99999'])(
  '"%s" is not the name of a host',
  (text) => {
    expect(parseAllowedHost(text)).toBeUndefined();
  },
);

test('a name leads to no address of this machine, however it is written', async () => {
  const find = admit(hosts, 'localhost', 80);
  const answer = await new Promise((resolve) => {
    find?.('localhost', { all: true }, (error, addresses) => resolve(error?.code ?? addresses));
  });
  expect(answer).toBe('EACCES');
});
