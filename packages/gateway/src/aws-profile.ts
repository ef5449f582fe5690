import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'ini';
import type { Environment } from './environment.ts';

type Section = Record<string, string | undefined>;

/**
 * Reads the access key and region of `AWS_PROFILE` from the files of the AWS command line, as the variables that would
 * set them. Empty without a profile, or with a key in the environment. Profiles that log in (SSO, roles) have no key in
 * these files.
 */
export function awsProfile(env: Environment): Environment {
  const name = env.AWS_PROFILE;
  if (!name || env.AWS_ACCESS_KEY_ID || env.AWS_BEARER_TOKEN_BEDROCK) return {};
  const folder = join(env.HOME || homedir(), '.aws');
  const credentials = sections(env.AWS_SHARED_CREDENTIALS_FILE || join(folder, 'credentials'));
  const settings = sections(env.AWS_CONFIG_FILE || join(folder, 'config'));
  const found: Section = { ...(settings[`profile ${name}`] ?? settings[name]), ...credentials[name] };
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || found.region;
  return {
    ...(region && { AWS_REGION: region }),
    ...(found.aws_access_key_id && { AWS_ACCESS_KEY_ID: found.aws_access_key_id }),
    ...(found.aws_secret_access_key && { AWS_SECRET_ACCESS_KEY: found.aws_secret_access_key }),
    ...(found.aws_session_token && { AWS_SESSION_TOKEN: found.aws_session_token }),
  };
}

function sections(path: string): Record<string, Section | undefined> {
  try {
    return parse(readFileSync(path, 'utf8')) as Record<string, Section | undefined>;
  } catch {
    // A missing file: the profile may be in the other one.
    return {};
  }
}
