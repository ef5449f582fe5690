export { apiKeySchema, credentialOf, keyConflict } from './api-keys.ts';
export {
  type ConfigFile,
  configFileSchema,
  createConfig,
  type GatewayConfig,
  readConfigFile,
} from './config.ts';
export { ConfigError } from './config-error.ts';
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
export type { ProviderStatus } from './models/providers.ts';
export { type Budget, createBudgets } from './pipeline/budgets.ts';
export type {
  Authorization,
  BudgetAnswer,
  GatewayHooks,
  LogEntry,
  Subject,
  UsageRecord,
} from './pipeline/hooks.ts';
export type { LocalModel } from './providers/demo.ts';
export { readCassette, recordTransport, replayTransport } from './transport/cassette.ts';
export { decompressRequest, REQUEST_ENCODINGS } from './transport/request-encoding.ts';
export { type Transport, TransportError } from './transport/transport.ts';
export { createTransport } from './transport/undici.ts';
