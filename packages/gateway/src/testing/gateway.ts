import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ConfigFile, createConfig } from '../config.ts';
import type { Environment } from '../environment.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../gateway.ts';
import { createSseParser } from '../messages/sse.ts';
import type { StreamEvent } from '../messages/types.ts';

export interface RunningGateway {
  url: string;
  gateway: Gateway;
  close(): Promise<void>;
}

/** A gateway behind a real node:http server, as the program runs it. */
export async function startGateway(
  config: ConfigFile,
  options: Partial<GatewayOptions> & { env?: Environment } = {},
): Promise<RunningGateway> {
  const { env, ...rest } = options;
  const gateway = createGateway({ config: createConfig(config, env), ...rest });
  const server = createServer((request, response) => void gateway.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    gateway,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        gateway.close();
      }),
  };
}

/** The events of an Anthropic stream as text. */
export function readEvents(text: string): StreamEvent[] {
  const reader = createSseParser();
  const messages = [...reader.push(new TextEncoder().encode(text)), ...reader.end()];
  return messages.map((message) => JSON.parse(message.data) as StreamEvent);
}

export async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}
