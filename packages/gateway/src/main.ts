#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=8 --heap-growing-percent=30
// The first line bounds the memory under load: V8's young generation, the growth of the heap between collections, and
// malloc's arenas, of which each thread would have its own. The live heap is 20 MB; with 16 busy connections the process
// grows to 300 MB without the bounds and to 130 MB with them, at the same speed.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { createDemoModel } from 'claude-agent-demo-model';
import { errorBody } from 'claude-agent-protocol/anthropic-errors';
import { isLoopback } from 'claude-agent-protocol/same-machine';
import { createConfig, type GatewayConfig, readConfigFile } from './config.ts';
import { ConfigError } from './config-error.ts';
import { processEnvironment, proxiesOf } from './environment.ts';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { refusePages } from './http/guard.ts';
import { readCassette, recordTransport, replayTransport } from './transport/cassette.ts';
import { createTransport } from './transport/undici.ts';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const usage = `claude-agent-gateway: one Messages endpoint, every model

  claude-agent-gateway [options]              serve POST /v1/messages
  claude-agent-gateway providers [options]    all providers, and what each still needs

  claude-agent-gateway record --cassette <file>    serve, and record every exchange with an upstream
  claude-agent-gateway replay --cassette <file>    serve from a recording, without keys or cost

  --host <address>    where to listen (127.0.0.1)
  --port <number>     0 takes any free port (4000)
  --config <file>     JSON; see the README of this package
  --demo              answer every model from the built-in demo model, offline
  --log-requests      log each request as a line of JSON: key, model, tokens, dollars, time
  --version, --help
`;

const commands = ['serve', 'providers', 'record', 'replay'];

function parseOptions() {
  return parseArgs({
    allowPositionals: true,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '4000' },
      config: { type: 'string' },
      cassette: { type: 'string' },
      demo: { type: 'boolean', default: false },
      'log-requests': { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

function readOptions() {
  let parsed: ReturnType<typeof parseOptions>;
  try {
    parsed = parseOptions();
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  const { values, positionals } = parsed;
  const [command = 'serve', ...extra] = positionals;
  if (!commands.includes(command)) throw new ConfigError(`unknown command ${command}\n\n${usage}`);
  if (extra.length > 0) throw new ConfigError(`${command} takes no ${extra.join(' ')}\n\n${usage}`);
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new ConfigError(`--port ${values.port} is not a port: give a number from 0 to 65535`);
  }
  if (values.host === '') throw new ConfigError('--host needs an address, such as 127.0.0.1');
  if (values.cassette !== undefined && command !== 'record' && command !== 'replay') {
    throw new ConfigError('--cassette is an option of record and replay');
  }
  return { ...values, port, command };
}

function loadConfig(path: string | undefined, demo: boolean): GatewayConfig {
  const env = processEnvironment();
  const config = path ? readConfigFile(path, env) : createConfig({}, env);
  return demo ? { ...config, models: { '*': 'demo', ...config.models } } : config;
}

/** The transport of `record` and `replay`. */
function cassetteOptions(
  command: string,
  file: string | undefined,
  config: GatewayConfig,
): Partial<GatewayOptions> {
  if (command !== 'record' && command !== 'replay') return {};
  if (!file) throw new ConfigError(`${command} needs a file: ${command} --cassette <file>`);
  try {
    if (command === 'replay') return { transport: replayTransport(readCassette(file)), keyless: true };
    return { transport: recordTransport(createTransport(proxiesOf(config.env)).send, file) };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `cannot use the cassette ${file}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function build(config: GatewayConfig, options: Partial<GatewayOptions>, logRequests: boolean): Gateway {
  const at = () => new Date().toISOString();
  return createGateway({
    ...options,
    config,
    demo: createDemoModel().fetch,
    log(entry) {
      // Lines about every request only with --log-requests.
      if (entry.level !== 'debug' || logRequests) console.error(JSON.stringify({ at: at(), ...entry }));
    },
    ...(logRequests && {
      onUsage(record) {
        console.log(JSON.stringify({ at: at(), ...record }));
      },
    }),
  });
}

/** Stops on a configuration that can never work; warns about what is still missing. */
function checkStart(gateway: Gateway, config: GatewayConfig, host: string): void {
  const { errors, warnings } = gateway.check();
  if (errors.length > 0) throw new ConfigError(errors.join('\n'));
  for (const message of warnings) console.error(JSON.stringify({ level: 'warn', message }));
  if (config.keys.length === 0 && !isLoopback(host)) {
    throw new ConfigError(
      `${host} can be reached from other machines, and anyone there could spend your money: add \`keys\` to the ` +
        'configuration, or listen on 127.0.0.1',
    );
  }
}

function printProviders(gateway: Gateway): void {
  const list = gateway.providers();
  const width = Math.max(...list.map((provider) => provider.id.length));
  for (const provider of list) {
    const state = provider.ready ? 'ready' : `set ${provider.missing.join(' and ')}`;
    console.log(`${provider.id.padEnd(width)}  ${String(provider.models).padStart(4)} models  ${state}`);
  }
  console.log(`${list.length} providers, ${list.filter((provider) => provider.ready).length} ready`);
}

async function serve(gateway: Gateway, host: string, port: number, open: boolean): Promise<void> {
  const server = createServer((request, response) => {
    const refused = open ? refusePages(request) : undefined;
    if (refused) {
      response.writeHead(refused.status, { 'content-type': 'application/json', connection: 'close' });
      response.end(errorBody(refused, 'req_none'));
      return;
    }
    gateway.handle(request, response).catch((error: unknown) => {
      console.error(JSON.stringify({ level: 'error', message: String(error) }));
      response.destroy();
    });
  });
  // Requests may run longer than the five minutes that Node allows.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const hint = taken ? `port ${port} is in use: choose another with --port (0 takes any free one)` : '';
      reject(new ConfigError(hint || `cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const self = gateway.findSelf([`${shown}:${address.port}`]);
  if (self) throw new ConfigError(self);
  console.log(`listening on http://${shown}:${address.port}`);
  const stop = () => {
    server.close(() => gateway.close());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 10_000).unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) return void process.stdout.write(usage);
  if (options.version) return console.log(manifest.version);
  const { command, host } = options;
  const config = loadConfig(options.config, options.demo);
  const gateway = build(config, cassetteOptions(command, options.cassette, config), options['log-requests']);
  if (command === 'providers') return printProviders(gateway);
  checkStart(gateway, config, host);
  await serve(gateway, host, options.port, config.keys.length === 0);
}

main().catch((error: unknown) => {
  const isExpected = error instanceof ConfigError || (error as { code?: string }).code !== undefined;
  console.error(isExpected ? (error as Error).message : error);
  process.exit(1);
});
