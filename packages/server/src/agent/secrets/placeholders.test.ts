import { expect, test } from 'vitest';
import { secretHostsOf } from '../../outbound/secret-hosts.ts';
import {
  conceal,
  fillHeader,
  fillPath,
  newPlaceholder,
  secretsFor,
  withPlaceholders,
} from './placeholders.ts';

const placeholder = newPlaceholder();
const secret = {
  name: 'T',
  placeholder,
  value: 'v+/&$1 $&',
  hosts: secretHostsOf(['a.example', 'http://b.example:81', '*.c.example']),
};
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

test.each([
  [`Bearer ${placeholder}`, `Bearer ${secret.value}`],
  [`${placeholder},${placeholder}`, `${secret.value},${secret.value}`],
  [basic(`me:${placeholder}`), basic(`me:${secret.value}`)],
  [basic('me:other'), basic('me:other')],
  ['Basic not*base64', 'Basic not*base64'],
  [newPlaceholder(), undefined],
])('the header %s', (given, expected) => {
  expect(fillHeader(given, [secret])).toBe(expected ?? given);
});

test('the query of a path is filled, and escaped; the path is not', () => {
  expect(fillPath(`/a/${placeholder}?k=${placeholder}`, [secret])).toBe(
    `/a/${placeholder}?k=${encodeURIComponent(secret.value)}`,
  );
});

test('values in headers of answers become placeholders again', () => {
  expect(conceal(`x ${secret.value} y=${encodeURIComponent(secret.value)}`, [secret])).toBe(
    `x ${placeholder} y=${placeholder}`,
  );
});

test.each([
  ['a.example', 443, false, true],
  ['a.example', 80, true, false],
  ['a.example', 443, true, false],
  ['a.example', 8443, false, false],
  ['b.example', 81, true, true],
  ['b.example', 81, false, false],
  ['x.c.example', 443, false, true],
  ['c.example', 443, false, false],
  ['a.example.evil.test', 443, false, false],
])('a secret goes to %s:%i, without TLS %s: %s', (host, port, isPlain, goes) => {
  expect(secretsFor([secret], { host, port, isPlain })).toHaveLength(goes ? 1 : 0);
});

test('names in the configuration of MCP servers stand for placeholders', () => {
  const the = (name: string): string => `\${${name}}`;
  const server = { command: 'x', args: ['a'], env: { A: `x${the('T')}`, B: the('OTHER'), C: '$T' } };
  expect(withPlaceholders({ server }, [secret])).toEqual({
    server: { ...server, env: { A: `x${placeholder}`, B: the('OTHER'), C: '$T' } },
  });
});
