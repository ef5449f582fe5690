import { ConfigError } from 'claude-agent-gateway';
import { SecretHosts, SecretValue } from 'claude-agent-protocol';
import { z } from 'zod';
import { readSecretFile } from './secret-file.ts';

/** With less, somebody who reads the database could try all. */
const MIN_KEY = 32;

const ConfiguredSecret = z
  .strictObject({
    value: SecretValue.optional(),
    value_file: z.string().min(1).optional(),
    hosts: SecretHosts,
  })
  .refine(
    ({ value, value_file }) => (value === undefined) !== (value_file === undefined),
    'takes either "value" or "value_file"',
  );

/** The fields of the configuration file. */
export const SECRETS_FIELDS = {
  secrets: z.record(z.string().regex(/^[\w.-]{1,100}$/), ConfiguredSecret).optional(),
  secrets_key: z.string().min(MIN_KEY).optional(),
  secrets_key_file: z.string().min(1).optional(),
};

/** A secret that sessions may name. */
export interface NamedSecret {
  value: string;
  hosts: readonly string[];
}

export interface SecretsConfig {
  /** By name. Never shown. */
  secrets: ReadonlyMap<string, NamedSecret>;
  /** Keys that secrets of callers are encrypted with: the first, and older ones. Empty: a file in the home. */
  secretsKeys: readonly string[];
}

type Fields = z.output<z.ZodObject<typeof SECRETS_FIELDS>>;

/** @throws ConfigError */
export const readSecrets = ({ secrets = {}, secrets_key, secrets_key_file }: Fields): SecretsConfig => ({
  secrets: new Map(
    Object.entries(secrets).map(([name, { value, value_file, hosts }]) => [
      name,
      { value: value ?? readValue(name, value_file ?? ''), hosts },
    ]),
  ),
  secretsKeys: [
    ...(secrets_key === undefined ? [] : [secrets_key]),
    ...(secrets_key_file === undefined ? [] : readKeys(secrets_key_file)),
  ],
});

/** The files that hold secrets: no agent may see them. */
export const secretFiles = ({
  secrets = {},
  secrets_key_file,
  oidc,
}: Fields & { oidc?: { client_secret_file?: string | undefined } | undefined }): (string | undefined)[] => [
  secrets_key_file,
  oidc?.client_secret_file,
  ...Object.values(secrets).map(({ value_file }) => value_file),
];

function readValue(name: string, path: string): string {
  const value = SecretValue.safeParse(readSecretFile(path, `"secrets.${name}.value_file"`).trim());
  if (value.success) return value.data;
  const [issue] = value.error.issues;
  throw new ConfigError(`The secret "${name}" in ${path} ${issue?.message}. Correct the file.`);
}

function readKeys(path: string): string[] {
  const lines = readSecretFile(path, '"secrets_key_file"').split('\n');
  const keys = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length > 0 && keys.every((key) => key.length >= MIN_KEY)) return keys;
  throw new ConfigError(
    `The file ${path} must hold one key per line, of at least ${MIN_KEY} characters: the first encrypts, all decrypt. "openssl rand -hex 32" makes one.`,
  );
}
