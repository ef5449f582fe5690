import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { apiKeysSchema } from './api-keys.ts';
import { awsProfile } from './aws-profile.ts';
import { ConfigError } from './config-error.ts';
import type { Environment } from './environment.ts';
import { dialects } from './upstream/target.ts';

// Only this file and aws-profile.ts read configuration files. All other code receives a GatewayConfig.

const url = z.url({ protocol: /^https?$/, message: 'must be an http or https URL' });
const positive = z.number().positive();

const modelSchema = z.strictObject({
  context: positive.optional().describe('Tokens that prompt and answer may have together'),
  output: positive.optional().describe('Tokens that an answer may have'),
  images: z.boolean().optional(),
  pdf: z.boolean().optional(),
  reasoning: z.boolean().optional(),
  base_model: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The model behind a name that does not tell (an inference profile): for facts, prices and family',
    ),
  echo_reasoning: z.boolean().optional().describe('Send `reasoning_content` back on tool turns'),
  prices: z
    .strictObject({
      input: z.number().min(0),
      output: z.number().min(0),
      cache_read: z.number().min(0).optional(),
      cache_write: z.number().min(0).optional(),
    })
    .optional()
    .describe('Dollars for a million tokens'),
});

const providerSchema = z.strictObject({
  api: z.enum(dialects).optional().describe('The protocol of this upstream'),
  base_url: url.optional(),
  api_key: z.string().min(1).optional(),
  api_key_env: z.string().min(1).optional().describe('The variable that holds the key'),
  headers: z.record(z.string(), z.string()).optional(),
  region: z.string().optional(),
  project: z.string().optional(),
  location: z.string().optional(),
  api_version: z.string().optional(),
  max_concurrency: z.number().int().positive().optional(),
  timeout_seconds: positive.optional().describe('Until the answer begins'),
  idle_timeout_seconds: positive.optional().describe('Between two chunks of an answer'),
  models: z.record(z.string(), modelSchema).optional(),
});

const routeSchema = z.union([
  z.string().min(1),
  z.array(z.string().min(1)).min(1),
  z.strictObject({
    targets: z.array(z.string().min(1)).min(1),
    spread: z.boolean().optional().describe('Spread sessions over the targets; each stays with its own'),
  }),
]);

/** The configuration file. */
export const configFileSchema = z.strictObject({
  $schema: z.string().optional(),
  providers: z.record(z.string().regex(/^[^/\s]+$/), providerSchema).default({}),
  models: z.record(z.string().min(1), routeSchema).default({}),
  default_model: z.string().optional().describe('Serves names that match nothing else'),
  retries: z.number().int().min(0).max(10).default(2),
  cool_down_seconds: z.number().min(0).default(30),
  ping_seconds: positive.default(10),
  timeout_seconds: positive.default(300),
  idle_timeout_seconds: positive.default(120),
  queue_timeout_seconds: positive.default(30),
  max_body_mb: positive.default(64),
  keys: apiKeysSchema
    .default([])
    .describe('The keys that clients of the program need; without any, no key is needed'),
});

export type ProviderConfig = z.infer<typeof providerSchema>;
export type Route = z.infer<typeof routeSchema>;
export type ConfigFile = z.input<typeof configFileSchema>;

/** The whole configuration. Provider keys and base URLs are looked up in `env`. */
export type GatewayConfig = Readonly<z.output<typeof configFileSchema>> & { readonly env: Environment };

/** Validates a configuration; throws a ConfigError that names the field. */
export function createConfig(input: ConfigFile = {}, env: Environment = {}): GatewayConfig {
  const result = configFileSchema.safeParse(input);
  if (!result.success) throw new ConfigError(`gateway configuration: ${z.prettifyError(result.error)}`);
  return Object.freeze({ ...result.data, env: { ...env, ...awsProfile(env) } });
}

/** Reads a JSON configuration file. */
export function readConfigFile(path: string, env: Environment): GatewayConfig {
  let text: string;
  try {
    // Editors on Windows write a byte order mark.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new ConfigError(
      `cannot read the configuration ${path}: ${error instanceof Error ? error.message : error}`,
    );
  }
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${path} is not valid JSON: ${error instanceof Error ? error.message : error}`);
  }
  return createConfig(input as ConfigFile, env);
}
