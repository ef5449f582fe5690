import { expect, test } from 'vitest';
import { beyond, hostsOf, hostTexts, type Network, type NetworkSetting, narrow } from './network.ts';

const limited = (...hosts: string[]): Network => ({ mode: 'limited', hosts: hostsOf(hosts) });
const asked = (...hosts: string[]): NetworkSetting => ({ mode: 'limited', hosts });
const OPEN: Network = { mode: 'open' };
const NONE: Network = { mode: 'none' };

test.each<[Network, NetworkSetting | undefined, Network]>([
  [OPEN, undefined, OPEN],
  [OPEN, { mode: 'none' }, NONE],
  [OPEN, { mode: 'limited' }, limited()],
  [OPEN, asked('a.example'), limited('a.example')],
  [NONE, asked('a.example'), NONE],
  [limited('a.example'), undefined, limited('a.example')],
  [limited('a.example'), { mode: 'limited' }, limited('a.example')],
  [limited('a.example'), { mode: 'none' }, NONE],
  [limited('*.b.example', 'a.example:8443'), asked('c.b.example'), limited('c.b.example')],
  [limited('x.b.example'), asked('*.b.example'), limited('x.b.example')],
  [limited('*.b.example'), asked('*.c.b.example'), limited('*.c.b.example')],
  [limited('*.b.example'), asked('b.example'), limited()],
  [limited('a.example'), asked('a.example:443'), limited('a.example:443')],
  [limited('a.example:8443'), asked('a.example'), limited()],
])('%j narrowed by %j is %j', (network, setting, expected) => {
  expect(narrow(network, setting)).toEqual(expected);
});

test.each<[Network, NetworkSetting, boolean]>([
  [OPEN, asked('anything.example:22'), false],
  [limited('a.example'), { mode: 'none' }, false],
  [limited('a.example'), { mode: 'limited' }, false],
  [limited('a.example'), asked('a.example', 'a.example:80'), false],
  [limited('a.example'), asked('a.example:22'), true],
  [limited('a.example'), asked('a.example', 'b.example'), true],
  [limited('*.b.example'), asked('c.b.example', '*.d.b.example'), false],
  [limited('*.b.example'), asked('b.example'), true],
  [limited('c.b.example'), asked('*.b.example'), true],
  [NONE, { mode: 'limited' }, true],
  [NONE, { mode: 'none' }, false],
])('beyond %j goes %j: %s', (network, setting, isBeyond) => {
  expect(beyond(network, setting) !== undefined).toBe(isBeyond);
});

test('hosts are written as they are read', () => {
  const texts = ['a.example:80', '*.b.example:443', '[fd00::1]:80'];
  expect(hostTexts(limited(...texts))).toEqual(texts);
});
