import { describe, expect, test } from 'vitest';
import { placeOf, slowFailures } from './failed-attempts.ts';
import { LOCAL } from './principal.ts';

const good = { authorization: 'Bearer good' };
const other = { authorization: 'Bearer other-good' };
const bad = (n: number) => ({ authorization: `Bearer bad-${n}` });

/** Knows two keys, and how many credentials it was asked about. */
function setUp({ now = Date.now, hasIssuer = false } = {}) {
  let asked = 0;
  const identify = slowFailures(
    async ({ authorization }) => {
      asked++;
      return authorization === good.authorization || authorization === other.authorization
        ? LOCAL
        : undefined;
    },
    { hasIssuer, now },
  );
  const fail = async (address: string, times: number) => {
    const said = await Promise.all(
      Array.from({ length: times }, (_, n) => identify(bad(n), address).catch((error: unknown) => error)),
    );
    return said.filter((each) => each !== undefined);
  };
  return { identify, fail, asked: () => asked };
}

const tooMany = expect.objectContaining({
  code: 'too_many_failures',
  status: 429,
  retryAfterSeconds: expect.closeTo(60, 0),
});

describe('wrong keys', () => {
  test('of one address are looked at ten times a minute, then no more', async () => {
    const { fail, asked, identify } = setUp();
    expect(await identify(bad(1_000), '192.0.2.1')).toBeUndefined();
    const refusals = await fail('192.0.2.1', 100);
    expect(refusals).toHaveLength(91);
    expect(refusals[0]).toEqual(tooMany);
    expect(asked()).toBe(10);
    await expect(identify(good, '192.0.2.1')).rejects.toEqual(tooMany);
  });

  test('do not lock out the right key at another address, nor one that was right before', async () => {
    const { fail, identify } = setUp();
    expect(await identify(good, '192.0.2.1')).toBe(LOCAL);
    await fail('192.0.2.1', 50);
    expect(await identify(good, '192.0.2.1')).toBe(LOCAL);
    await expect(identify(other, '192.0.2.1')).rejects.toEqual(tooMany);
    expect(await identify(other, '192.0.2.2')).toBe(LOCAL);
    // Now it is known, so the first address takes it as well.
    expect(await identify(other, '192.0.2.1')).toBe(LOCAL);
  });

  test('right ones in between are not counted, and one that ceased to be right is', async () => {
    let isGood = true;
    const identify = slowFailures(async () => (isGood ? LOCAL : undefined), { hasIssuer: false });
    for (let n = 0; n < 30; n++) expect(await identify(bad(n), '192.0.2.1')).toBe(LOCAL);
    isGood = false;
    for (let n = 0; n < 10; n++) expect(await identify(bad(n), '192.0.2.1')).toBeUndefined();
    await expect(identify(bad(99), '192.0.2.1')).rejects.toEqual(tooMany);
  });

  test('count once, however often a program goes on sending them', async () => {
    const { identify } = setUp();
    for (let n = 0; n < 50; n++) expect(await identify(bad(1), '192.0.2.1')).toBeUndefined();
    expect(await identify(good, '192.0.2.1')).toBe(LOCAL);
  });

  test('in the form of a token of an identity provider are not counted, where there is one', async () => {
    const jwt = (n: number) => ({ authorization: `Bearer ey${n}.ey${n}.signature` });
    const [issued, plain] = [setUp({ hasIssuer: true }), setUp()];
    for (let n = 0; n < 20; n++) expect(await issued.identify(jwt(n), '192.0.2.1')).toBeUndefined();
    for (let n = 0; n < 10; n++) await plain.identify(jwt(n), '192.0.2.1');
    await expect(plain.identify(jwt(11), '192.0.2.1')).rejects.toEqual(tooMany);
  });

  test('without a credential, of agents, and inside this process nothing is counted', async () => {
    const { identify, asked } = setUp();
    const token = { 'x-api-key': `session-${crypto.randomUUID()}.secret` };
    for (let n = 0; n < 20; n++) {
      expect(await identify({}, '192.0.2.1')).toBeUndefined();
      expect(await identify(token, '192.0.2.1')).toBeUndefined();
      expect(await identify(bad(n), undefined)).toBeUndefined();
    }
    expect(asked()).toBe(60);
  });

  test('trust ends an hour after the last use', async () => {
    let time = 0;
    const { identify, fail } = setUp({ now: () => time });
    await identify(good, '192.0.2.1');
    await fail('192.0.2.1', 11);
    time = 3_599_000;
    expect(await identify(good, '192.0.2.1')).toBe(LOCAL);
    time *= 3;
    await expect(identify(good, '192.0.2.1')).rejects.toEqual(tooMany);
  });
});

test('addresses of IPv6 count as their network of 64 bits', () => {
  expect(placeOf('192.0.2.1')).toBe('192.0.2.1');
  for (const address of ['2001:db8::1', '2001:0DB8:0:0:1:2:3:4', '2001:db8:0::ffff%eth0'])
    expect(placeOf(address)).toBe('2001:db8:0:0');
  expect(placeOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2');
  expect(placeOf('::1')).toBe('0:0:0:0');
});
