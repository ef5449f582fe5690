/** Object stores: the behaviour of both, and the failures of each. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasSwift, type Swift, startSwift } from '../../test/support/swift.ts';
import { describeObjects } from './objects.conformance.ts';
import { createDirectoryObjects, describeFile } from './objects.ts';
import { createS3Objects, type S3Settings } from './s3.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'objects-test-')));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const fileOf = (content: string | Buffer): string => {
  const file = join(base, randomBytes(6).toString('hex'));
  writeFileSync(file, content);
  return file;
};

describeObjects('a folder', async () => createDirectoryObjects(join(base, 'objects')));

test('a folder keeps nothing of a put that broke off, and lists no part of one', async () => {
  const folder = join(base, 'broken');
  const objects = createDirectoryObjects(folder);
  const object = { key: 'a/b', bytes: 1, sha256: '' };
  await expect(objects.put(object, join(base, 'none'))).rejects.toThrow(/ENOENT/);
  expect(readdirSync(folder)).toEqual([]);
  mkdirSync(join(folder, 'a'), { recursive: true });
  writeFileSync(join(folder, 'a', '.partial-0'), 'x');
  expect(await objects.list('a/')).toEqual([]);
});

describe.skipIf(!hasSwift())('with OpenStack Swift, an S3 API of its own', () => {
  let swift: Swift;
  beforeAll(async () => {
    swift = await startSwift();
  });
  afterAll(() => swift?.stop());

  describeObjects('a bucket', async () => createS3Objects({ ...swift.settings, prefix: '' }));
  describeObjects('a prefix of a bucket', async () =>
    createS3Objects({ ...swift.settings, prefix: 'some-server/' }),
  );

  test.each<[string, Partial<S3Settings>, RegExp]>([
    [
      'a wrong key',
      { credentials: { accessKeyId: 'test:tester', secretAccessKey: 'wrong', sessionToken: undefined } },
      /403 SignatureDoesNotMatch/,
    ],
    [
      'an unknown key',
      { credentials: { accessKeyId: 'nobody', secretAccessKey: 'x', sessionToken: undefined } },
      /403 /,
    ],
    ['another region', { region: 'eu-west-1' }, /AuthorizationHeaderMalformed/],
    ['no such bucket', { bucket: 'no-such-bucket' }, /404 NoSuchBucket/],
  ])('%s is refused with the reason', async (_, wrong, words) => {
    const objects = createS3Objects({ ...swift.settings, ...wrong });
    const file = fileOf('x');
    await expect(objects.put(await describeFile('a/b', file), file)).rejects.toThrow(words);
    await expect(objects.list('a/')).rejects.toThrow(words);
    await expect(objects.read('a/b')).rejects.toThrow(words);
  });

  test('a body that is not what its signature says is refused, and nothing of it is kept', async () => {
    const objects = createS3Objects({ ...swift.settings, prefix: 'damaged/' });
    const file = fileOf('as it is');
    const object = await describeFile('a/b', file);
    const other = { ...object, sha256: createHash('sha256').update('other').digest('hex') };
    await expect(objects.put(other, file)).rejects.toThrow(/400|XAmzContentSHA256Mismatch|BadDigest/);
    expect(await objects.list('a/')).toEqual([]);
  });
});

describe('a bucket that does not answer as it should', () => {
  let server: Server;
  let answers: ((method: string, length: string | undefined) => { status: number; body?: string })[];
  const seen: { method: string; url: string; length: string | undefined }[] = [];
  let endpoint: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const length = request.headers['content-length'];
      seen.push({ method: request.method ?? '', url: request.url ?? '', length });
      request.resume().on('end', () => {
        const { status, body = '' } = answers.shift()?.(request.method ?? '', length) ?? { status: 500 };
        response.writeHead(status).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  const objects = () =>
    createS3Objects({
      endpoint,
      bucket: 'b',
      region: 'r',
      prefix: '',
      credentials: { accessKeyId: 'a', secretAccessKey: 's', sessionToken: 'token' },
      timeoutSeconds: 10,
    });

  test('is asked again while it says to come later', async () => {
    const file = fileOf('content');
    answers = [() => ({ status: 503 }), () => ({ status: 500 }), () => ({ status: 200 })];
    seen.length = 0;
    await objects().put(await describeFile('a/b', file), file);
    expect(seen).toEqual(Array.from({ length: 3 }, () => ({ method: 'PUT', url: '/b/a/b', length: '7' })));
  });

  test('is given up after some attempts, and at once when it refuses', async () => {
    answers = [];
    await expect(objects().remove('a/b')).rejects.toThrow(/refused a request for its bucket b: 500/);
    seen.length = 0;
    answers = [
      () => ({
        status: 403,
        body: '<Error><Code>AccessDenied</Code><Message>No &amp; never.</Message></Error>',
      }),
    ];
    await expect(objects().remove('a/b')).rejects.toThrow(/403 AccessDenied, No & never\./);
    expect(seen).toHaveLength(1);
  });

  test('is listed page by page', async () => {
    const page = (key: string, more: string) =>
      `<ListBucketResult><IsTruncated>${more !== ''}</IsTruncated>${more}<Contents><Key>${key}</Key></Contents></ListBucketResult>`;
    answers = [
      () => ({ status: 200, body: page('a/2', '<NextContinuationToken>x&amp;y=</NextContinuationToken>') }),
      () => ({ status: 200, body: page('a/1', '') }),
    ];
    seen.length = 0;
    expect(await objects().list('a/')).toEqual(['a/1', 'a/2']);
    expect(seen.map(({ url }) => url)).toEqual([
      '/b?list-type=2&prefix=a%2F',
      '/b?list-type=2&prefix=a%2F&continuation-token=x%26y%3D',
    ]);
  });

  test('that is not there at all is told by its address', async () => {
    const gone = createS3Objects({
      endpoint: 'http://127.0.0.1:1',
      bucket: 'b',
      region: 'r',
      prefix: '',
      credentials: { accessKeyId: 'a', secretAccessKey: 's', sessionToken: undefined },
      timeoutSeconds: 10,
    });
    await expect(gone.list('a/')).rejects.toThrow(
      /http:\/\/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED|bad port/,
    );
  });
});
