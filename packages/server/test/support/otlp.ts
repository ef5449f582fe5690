import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as OTLP/JSON has it, its attributes as one object. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Record<string, unknown>;
  status: { code?: number };
}

export interface OtlpReceiver {
  url: string;
  spans: ReceivedSpan[];
  /** Attributes of the service that sent them. */
  resource: Record<string, unknown>;
  /** The bodies that are not JSON, with their media type. */
  binary: { type: string; bytes: Buffer }[];
  /** All that arrived, as text. */
  text(): string;
  close(): Promise<void>;
}

type Value = Record<string, unknown>;
type Attributes = { key: string; value: Value }[];
interface Body {
  resourceSpans: {
    resource: { attributes: Attributes };
    scopeSpans: { spans: (Omit<ReceivedSpan, 'attributes'> & { attributes: Attributes })[] }[];
  }[];
}

/** A receiver of OTLP over HTTP, as https://opentelemetry.io/docs/specs/otlp/ describes it. */
export async function startOtlp(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const binary: OtlpReceiver['binary'] = [];
  const resource: Record<string, unknown> = {};
  let all = '';
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const type = request.headers['content-type'] ?? '';
    all += bytes.toString();
    if (request.url !== '/v1/traces' || request.method !== 'POST') response.statusCode = 404;
    else if (type !== 'application/json') binary.push({ type, bytes });
    else {
      const { resourceSpans } = JSON.parse(bytes.toString()) as Body;
      for (const { resource: of, scopeSpans } of resourceSpans) {
        Object.assign(resource, plain(of.attributes));
        for (const each of scopeSpans) {
          spans.push(...each.spans.map((span) => ({ ...span, attributes: plain(span.attributes) })));
        }
      }
    }
    response.setHeader('content-type', type);
    response.end(type === 'application/json' ? '{}' : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    resource,
    binary,
    text: () => all,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** `[{key, value: {stringValue}}]` as an object. */
const plain = (attributes: Attributes = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
