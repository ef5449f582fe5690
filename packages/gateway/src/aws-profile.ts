import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'ini';
import type { Environment } from './environment.ts';

type Section = Record<string, string | undefined>;

/**
 * The access key of `AWS_PROFILE`, from the files that the AWS command line writes, in the variables that it stands
 * for; nothing when there is no profile, or a key in the environment already. Profiles that log in (SSO, roles) have
 * no key in these files.
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
    // No such file: the profile may stand in the other one.
    return {};
  }
}
