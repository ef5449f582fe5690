import { ConfigError, createConfig, type GatewayConfig } from 'claude-agent-gateway';

/** The gateway's part of the file. With --demo, every model name that it does not route leads to the demo model. @throws ConfigError */
export function readGateway(
  part: Record<string, unknown> | undefined,
  env: NodeJS.ProcessEnv,
  demo: boolean,
): GatewayConfig {
  if (part?.keys !== undefined) {
    throw new ConfigError(
      'This server\'s gateway uses the keys in "api_keys". Move the entries of "gateway.keys" there.',
    );
  }
  const models = { '*': 'demo', ...(part?.models as Record<string, never> | undefined) };
  return createConfig({ ...part, ...(demo && { models }) }, env);
}
