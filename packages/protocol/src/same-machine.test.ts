import { describe, expect, test } from 'vitest';
import { foreignPage, isLoopback } from './same-machine.ts';

test.each(['localhost', '127.0.0.1', '127.8.9.10', '::1', '[::1]'])('%s is this machine', (host) => {
  expect(isLoopback(host)).toBe(true);
});
test.each(['', '0.0.0.0', '10.0.0.1', '127.0.0.1.evil.example', 'localhost.evil.example', '[::]'])(
  '"%s" is not only this machine',
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);

describe('a request to a server on loopback', () => {
  test.each([
    ['a program', '127.0.0.1:8000', undefined],
    ['a program that names no port', 'localhost', undefined],
    ['a page of the server', '127.0.0.1:8000', 'http://127.0.0.1:8000'],
    ['a page of the server over IPv6', '[::1]:8000', 'http://[::1]:8000'],
  ])('may come from %s', (_, host, origin) => {
    expect(foreignPage({ host, origin }, true)).toBeUndefined();
  });

  test.each([
    ['a page', 'http://evil.example'],
    ['a page of another port of this machine', 'http://127.0.0.1:3000'],
    ['a page without an origin of its own', 'null'],
    ['something that is no origin', 'x'],
  ])('may not come from %s', (_, origin) => {
    expect(foreignPage({ host: '127.0.0.1:8000', origin }, true)).toBe('origin');
  });

  test('may not be for another name, whatever its origin: that is DNS rebinding', () => {
    const host = 'evil.example:8000';
    expect(foreignPage({ host, origin: `http://${host}` }, true)).toBe('host');
    expect(foreignPage({}, true)).toBe('host');
  });
});

test('a server for other machines answers to any name, and to its own pages', () => {
  const host = 'agents.example';
  expect(foreignPage({ host }, false)).toBeUndefined();
  expect(foreignPage({ host, origin: 'https://agents.example' }, false)).toBeUndefined();
  expect(foreignPage({ host, origin: 'https://evil.example' }, false)).toBe('origin');
});
