import { openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsV4Signer } from 'aws4fetch';
import { ObjectMissing, type ObjectStore, requireKey } from './objects.ts';

/** A bucket, and who may use it. */
export interface S3Settings {
  /** Address of the service; objects are at `<endpoint>/<bucket>/<prefix><key>`. */
  endpoint: string;
  bucket: string;
  region: string;
  /** In front of every key; ends with a slash, unless it is empty. */
  prefix: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string | undefined };
  /** The longest that one request may take. */
  timeoutSeconds: number;
}

/** What S3 answers when it wants the request again later. */
const LATER = new Set([429, 500, 502, 503, 504]);
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 200;
/** SHA-256 of nothing. */
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

interface Ask {
  method: 'GET' | 'PUT' | 'DELETE';
  /** Below the bucket. */
  path: string;
  query?: Readonly<Record<string, string>>;
  body?: { blob: Blob; sha256: string };
  giveUp?: AbortSignal | undefined;
}

/**
 * Objects in a bucket, over the S3 API. Each request is signed with the hash of its body, so that an object which
 * arrives damaged is refused. A failure that may pass is tried again.
 */
export function createS3Objects(settings: S3Settings): ObjectStore {
  const { endpoint, bucket, region, prefix, credentials, timeoutSeconds } = settings;
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
  const derived = new Map<string, ArrayBuffer>();

  const send = async ({ method, path, query = {}, body, giveUp }: Ask): Promise<Response> => {
    const url = new URL(`${endpoint.replace(/\/$/, '')}/${bucket}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    // The time is part of the signature, so that each attempt has its own.
    const signed = await new AwsV4Signer({
      ...keys,
      method,
      url: url.href,
      service: 's3',
      region,
      cache: derived,
      headers: { 'x-amz-content-sha256': body?.sha256 ?? EMPTY },
    }).sign();
    return fetch(signed.url, {
      method,
      headers: signed.headers,
      body: body?.blob ?? null,
      // The signature is for this address.
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(timeoutSeconds * 1000), ...(giveUp ? [giveUp] : [])]),
    });
  };

  /** @returns the response, whose status is one of `fine` */
  const ask = async (what: Ask, fine: readonly number[]): Promise<Response> => {
    for (let attempt = 1; ; attempt++) {
      const response = await send(what).catch((error: unknown) => {
        what.giveUp?.throwIfAborted();
        if (attempt === ATTEMPTS) throw unreachable(settings, error);
      });
      if (response && fine.includes(response.status)) return response;
      if (response && (attempt === ATTEMPTS || !LATER.has(response.status))) {
        throw refused(settings, response.status, await response.text());
      }
      await response?.body?.cancel();
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random()), undefined, {
        ...(what.giveUp && { signal: what.giveUp }),
      });
    }
  };

  const pathOf = (key: string): string => {
    requireKey(key);
    return `/${prefix}${key}`;
  };

  return {
    async put({ key, sha256 }, file, giveUp) {
      const response = await ask(
        { method: 'PUT', path: pathOf(key), body: { blob: await openAsBlob(file), sha256 }, giveUp },
        [200],
      );
      await response.body?.cancel();
    },

    async read(key) {
      const response = await ask({ method: 'GET', path: pathOf(key) }, [200, 404]);
      if (response.status === 200 && response.body) return Readable.fromWeb(response.body as ReadableStream);
      const text = await response.text();
      // A bucket that is gone is a mistake of the configuration.
      if (codeOf(text) !== 'NoSuchKey') throw refused(settings, response.status, text);
      throw new ObjectMissing(key);
    },

    async remove(key) {
      const response = await ask({ method: 'DELETE', path: pathOf(key) }, [200, 204, 404]);
      await response.body?.cancel();
    },

    async list(within) {
      const found: string[] = [];
      let token: string | undefined;
      do {
        const query = {
          'list-type': '2',
          prefix: `${prefix}${within}`,
          ...(token !== undefined && { 'continuation-token': token }),
        };
        const page = await (await ask({ method: 'GET', path: '', query }, [200])).text();
        found.push(...valuesOf(page, 'Key').map((key) => key.slice(prefix.length)));
        token =
          valuesOf(page, 'IsTruncated')[0] === 'true'
            ? valuesOf(page, 'NextContinuationToken')[0]
            : undefined;
      } while (token !== undefined);
      return found.sort();
    },
  };
}

/** The texts of an element of an answer: our keys need no parser. */
const valuesOf = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) => unescapeXml(text));

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const unescapeXml = (text: string): string =>
  text.replaceAll(/&(amp|lt|gt|quot|apos);/g, (whole, name: string) => ENTITIES[name] ?? whole);

const codeOf = (xml: string): string | undefined => valuesOf(xml, 'Code')[0];

function refused({ endpoint, bucket }: S3Settings, status: number, text: string): Error {
  const code = codeOf(text);
  const words = valuesOf(text, 'Message')[0];
  return new Error(
    `The object store ${endpoint} refused a request for its bucket ${bucket}: ${status}${code ? ` ${code}` : ''}${words ? `, ${words}` : ''}`,
  );
}

function unreachable({ endpoint }: S3Settings, error: unknown): Error {
  const { cause } = error instanceof Error ? error : {};
  const why = cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error);
  return new Error(`The object store ${endpoint} cannot be reached: ${why}`);
}
