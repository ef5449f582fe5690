export { ConfigError, type ConfigFile, createConfig, type GatewayConfig, readConfigFile } from './config.ts';
export * from './demo/index.ts';
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
export type {
  Authorization,
  BudgetAnswer,
  GatewayHooks,
  LogEntry,
  Subject,
  UsageRecord,
} from './http/messages-route.ts';
