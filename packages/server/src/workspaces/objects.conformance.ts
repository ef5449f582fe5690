import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeFile, fetchObject, ObjectMissing, type ObjectStore } from './objects.ts';

/** The behaviour of an object store, for each implementation. */
export function describeObjects(name: string, open: () => Promise<ObjectStore>): void {
  describe(name, () => {
    let objects: ObjectStore;
    let folder: string;
    /** Objects of one test. */
    let under: string;

    beforeAll(async () => {
      objects = await open();
      folder = mkdtempSync(join(tmpdir(), 'objects-test-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const put = async (key: string, content: string | Buffer) => {
      const file = join(folder, randomUUID());
      writeFileSync(file, content);
      const object = await describeFile(key, file);
      await objects.put(object, file);
      return object;
    };
    const read = async (key: string): Promise<Buffer> => buffer(await objects.read(key));

    test('gives back what was put, of any size', async () => {
      under = `a/${randomUUID()}`;
      for (const [at, size] of [0, 1, 65_536, 5_000_000].entries()) {
        const content = randomBytes(size);
        const object = await put(`${under}/${at}`, content);
        expect(object).toEqual({
          key: `${under}/${at}`,
          bytes: size,
          sha256: createHash('sha256').update(content).digest('hex'),
        });
        expect((await read(object.key)).equals(content)).toBe(true);
        const file = join(folder, randomUUID());
        await fetchObject(objects, object, file);
        expect(readFileSync(file).equals(content)).toBe(true);
      }
    });

    test('says what is missing, and removes it twice without a word', async () => {
      under = `a/${randomUUID()}`;
      await expect(read(`${under}/none`)).rejects.toThrow(ObjectMissing);
      await put(`${under}/one`, 'x');
      await objects.remove(`${under}/one`);
      await expect(read(`${under}/one`)).rejects.toThrow(ObjectMissing);
      await objects.remove(`${under}/one`);
      await objects.remove(`${under}/none`);
    });

    test('lists by prefix, in order, all of it', async () => {
      under = `a/${randomUUID()}`;
      const keys = Array.from(
        { length: 25 },
        (_, n) => `${under}/x/${String(n).padStart(3, '0')}-${'k'.repeat(n)}`,
      );
      for (const key of keys.toReversed()) await put(key, key);
      await put(`${under}/y`, 'y');
      expect(await objects.list(`${under}/x/`)).toEqual(keys);
      expect(await objects.list(`${under}/x/00`)).toEqual(keys.slice(0, 10));
      expect(await objects.list(`${under}/`)).toEqual([...keys, `${under}/y`]);
      expect(await objects.list(`${under}/none/`)).toEqual([]);
      expect((await read(keys[3] ?? '')).toString()).toBe(keys[3]);
    });

    test('tells that an object is not as it was put', async () => {
      under = `a/${randomUUID()}`;
      const object = await put(`${under}/one`, 'as it was');
      const file = join(folder, randomUUID());
      const other = { ...object, sha256: '0'.repeat(64) };
      await expect(fetchObject(objects, other, file)).rejects.toThrow(/not as it was saved/);
      await expect(fetchObject(objects, { ...object, bytes: 1 }, file)).rejects.toThrow(
        /not as it was saved/,
      );
    });

    test.each(['', '/a', 'a//b', 'a/../b', '../a', 'a/.partial', 'a b', 'a/B'])(
      'takes no key that would need care: "%s"',
      async (key) => {
        await expect(put(key, 'x')).rejects.toThrow(/cannot be the key/);
        await expect(read(key)).rejects.toThrow(/cannot be the key/);
      },
    );

    test('takes many at once', async () => {
      under = `a/${randomUUID()}`;
      const keys = Array.from({ length: 12 }, (_, n) => `${under}/${n + 10}`);
      await Promise.all(keys.map((key) => put(key, key)));
      expect(await objects.list(`${under}/`)).toEqual(keys);
      const contents = await Promise.all(keys.map(read));
      expect(contents.map(String)).toEqual(keys);
    });
  });
}
