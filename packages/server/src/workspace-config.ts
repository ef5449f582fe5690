import { resolve } from 'node:path';
import { ConfigError } from 'claude-agent-gateway';
import { z } from 'zod';

/** The most that S3 takes in one request. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 3;

/** A bucket of S3, or of a service with its API. The credentials come from the environment. */
const S3Bucket = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }),
  bucket: z.string().regex(/^[\w.-]+$/, 'must be the name of a bucket'),
  region: z.string().min(1).default('us-east-1'),
  prefix: z
    .string()
    .regex(/^([\w.-]+\/)*$/, 'must end with a slash, and consist of plain names')
    .default(''),
});

/** Folders that the server makes for sessions, and where their saved states go. */
export const WorkspaceSettings = z.strictObject({
  folder: z.string().min(1).optional(),
  max_bytes: z.int().min(1).max(MAX_OBJECT_BYTES).optional(),
  timeout_seconds: z.number().positive().optional(),
  git_urls: z
    .array(
      z.string().regex(/^(https?|ssh|file):\/\//, 'must begin with https://, http://, ssh:// or file://'),
    )
    .optional(),
  objects: z
    .union([z.strictObject({ folder: z.string().min(1) }), z.strictObject({ s3: S3Bucket })])
    .optional(),
});

/** Where workspaces are, and what may be in them. */
export interface WorkspaceConfig {
  folder: string;
  /** The most bytes that a saved state may have. */
  maxBytes: number;
  /** How long a clone, a save or a restore may take. */
  timeoutSeconds: number;
  /** How the addresses of repositories may begin. */
  gitUrls: readonly string[];
  /** Where saved states are kept. */
  objects:
    | { folder: string }
    | (z.output<typeof S3Bucket> & {
        credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string | undefined };
      });
}

/** @param flag the folder, if a flag names it */
export function readWorkspaces(
  { folder, max_bytes, timeout_seconds, git_urls, objects }: z.infer<typeof WorkspaceSettings> = {},
  home: string,
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
): WorkspaceConfig {
  return {
    folder: flag ?? resolve(home, folder ?? 'workspaces'),
    maxBytes: max_bytes ?? 1024 ** 3,
    timeoutSeconds: timeout_seconds ?? 600,
    gitUrls: git_urls ?? ['https://', 'ssh://', 'file://'],
    objects:
      objects && 's3' in objects
        ? { ...objects.s3, credentials: readS3Credentials(env) }
        : { folder: resolve(home, objects?.folder ?? 'objects') },
  };
}

/** Agents on Bedrock get the AWS_ variables; the names of our own keep the bucket's credentials from them. */
function readS3Credentials(env: NodeJS.ProcessEnv) {
  const own = Boolean(env.AGENT_SERVER_S3_ACCESS_KEY_ID);
  const read = (name: string): string | undefined =>
    env[`${own ? 'AGENT_SERVER_S3' : 'AWS'}_${name}`] || undefined;
  const [accessKeyId, secretAccessKey] = [read('ACCESS_KEY_ID'), read('SECRET_ACCESS_KEY')];
  if (accessKeyId && secretAccessKey) {
    return { accessKeyId, secretAccessKey, sessionToken: read('SESSION_TOKEN') };
  }
  throw new ConfigError(
    'The bucket in "workspaces" needs credentials. Set AGENT_SERVER_S3_ACCESS_KEY_ID and AGENT_SERVER_S3_SECRET_ACCESS_KEY, or the AWS_ variables of these names.',
  );
}
