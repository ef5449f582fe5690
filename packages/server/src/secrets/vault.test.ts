import { expect, test } from 'vitest';
import type { SecretRecords } from '../store/store.ts';
import { createSeal } from './seal.ts';
import { createVault } from './vault.ts';

const OWNED = { tenant: 'acme', createdBy: null };
const VALUE = 'the value';
const given = { TOKEN: { value: VALUE, hosts: ['a.example', '*.b.example:8443'] } };

const vaultWith = (...keys: string[]) => {
  const [first, ...older] = keys;
  return createVault({
    named: new Map([['named', { value: 'named value', hosts: ['a.example', '*.b.example'] }]]),
    seal: () => (first === undefined ? undefined : createSeal([first, ...older])),
  });
};
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'nothing';
  } catch (error) {
    expect((error as Error).message).not.toContain(VALUE);
    return (error as { code: string }).code;
  }
};

test('a value comes out as it went in, for its tenant, name and hosts only', () => {
  const { take, open } = vaultWith('key');
  const secrets = take(given, OWNED);
  expect(JSON.stringify(secrets)).not.toContain(VALUE);
  expect(open({ tenant: 'acme', secrets })).toMatchObject([{ name: 'TOKEN', value: VALUE }]);
  const { TOKEN } = secrets;
  const changed: [string, SecretRecords][] = [
    ['other', secrets],
    ['acme', { OTHER: TOKEN as NonNullable<typeof TOKEN> }],
    ['acme', { TOKEN: { ...(TOKEN as NonNullable<typeof TOKEN>), hosts: ['evil.example'] } }],
  ];
  for (const [tenant, tampered] of changed) {
    expect(codeOf(() => open({ tenant, secrets: tampered }))).toBe('secret_unavailable');
  }
});

test('an older key still opens, another does not, and without one nothing is taken', () => {
  const secrets = vaultWith('old').take(given, OWNED);
  expect(vaultWith('new', 'old').open({ tenant: 'acme', secrets })).toMatchObject([{ value: VALUE }]);
  expect(codeOf(() => vaultWith('new').open({ tenant: 'acme', secrets }))).toBe('secret_unavailable');
  expect(codeOf(() => vaultWith().open({ tenant: 'acme', secrets }))).toBe('secret_unavailable');
  expect(codeOf(() => vaultWith().take(given, OWNED))).toBe('secrets_not_possible');
  expect(codeOf(() => vaultWith().take({ A: { from: 'named' } }, OWNED))).toBe('nothing');
});

test('a secret of the configuration has its hosts, or fewer', () => {
  const { take, open } = vaultWith();
  const fewer = { A: { from: 'named', hosts: ['c.b.example'] } };
  expect(open({ tenant: 'acme', secrets: take(fewer, OWNED) })).toMatchObject([
    { value: 'named value', hosts: [{ name: 'c.b.example', ports: [443], isPlain: false }] },
  ]);
  for (const host of ['b.example', 'a.example:8443', 'http://a.example', '*.a.example']) {
    expect(codeOf(() => take({ A: { from: 'named', hosts: [host] } }, OWNED))).toBe('validation_failed');
  }
  expect(codeOf(() => take({ A: { from: 'other' } }, OWNED))).toBe('secret_not_found');
  const gone = { A: { placeholder: 'p', hosts: ['a.example'], from: 'other' } };
  expect(codeOf(() => open({ tenant: 'acme', secrets: gone }))).toBe('secret_unavailable');
});

test('new values keep the placeholders of their names, and a copy has others', () => {
  const { take, copy, has } = vaultWith('key');
  const before = take(given, OWNED);
  const after = take(
    { TOKEN: { value: 'another value', hosts: ['a.example'] }, NEW: given.TOKEN },
    OWNED,
    before,
  );
  expect(after.TOKEN?.placeholder).toBe(before.TOKEN?.placeholder);
  expect(after.NEW?.placeholder).not.toBe(before.TOKEN?.placeholder);
  const copied = copy(before);
  expect(copied?.TOKEN?.placeholder).not.toBe(before.TOKEN?.placeholder);
  expect(has({ tenant: 'acme', secrets: copied }, given)).toBe(true);
  expect(has({ tenant: 'acme', secrets: after }, given)).toBe(false);
  expect(has({ tenant: 'acme', secrets: null }, given)).toBe(false);
});
