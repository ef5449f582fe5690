import { expect, test } from 'vitest';
import { addressIn, mayLeadTo, networkOf } from './addresses.ts';

test.each([
  ['127.0.0.1', 'loopback'],
  ['127.8.9.10', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['10.1.2.3', 'private'],
  ['172.16.0.1', 'private'],
  ['192.168.1.1', 'private'],
  ['169.254.169.254', 'private'],
  ['::ffff:169.254.169.254', 'private'],
  ['100.64.0.1', 'private'],
  ['0.0.0.0', 'private'],
  ['255.255.255.255', 'private'],
  ['224.0.0.1', 'private'],
  ['::', 'private'],
  ['fe80::1', 'private'],
  ['fd00:ec2::254', 'private'],
  ['64:ff9b::a9fe:a9fe', 'private'],
  ['2002:7f00:1::', 'private'],
  ['::7f00:1', 'private'],
  ['ff02::1', 'private'],
  ['8.8.8.8', 'public'],
  ['172.32.0.1', 'public'],
  ['2606:4700:4700::1111', 'public'],
])('%s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('an address in a URL is found in every form that a URL has for it', () => {
  for (const host of ['2130706433', '0x7f.1', '0177.0.0.1', '127.1', '127.0.0.1']) {
    expect(addressIn(new URL(`http://${host}/`).hostname)).toBe('127.0.0.1');
  }
  expect(addressIn(new URL('http://[::ffff:7f00:1]/').hostname)).toBe('::ffff:7f00:1');
  expect(addressIn(new URL('http://example.org/').hostname)).toBeUndefined();
});

test.each([
  ['none', 'http://127.0.0.1/', false],
  ['none', 'http://example.org/', false],
  ['loopback', 'http://localhost:1/', true],
  ['loopback', 'http://[::1]/', true],
  ['loopback', 'http://example.org/', false],
  ['loopback', 'http://127.0.0.1.example.org/', false],
  ['public', 'https://example.org/', true],
  ['public', 'http://localhost/', false],
  ['public', 'http://localhost./', false],
  ['public', 'http://a.localhost/', false],
  ['public', 'http://0x7f000001/', false],
  ['public', 'http://169.254.169.254/', false],
  ['public', 'http://[fd00:ec2::254]/', false],
  ['any', 'http://169.254.169.254/', true],
] as const)('with %s, %s may be called: %s', (reach, url, may) => {
  expect(mayLeadTo(reach, url)).toBe(may);
});
