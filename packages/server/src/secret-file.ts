import { readFileSync } from 'node:fs';
import { ConfigError } from 'claude-agent-gateway';

/** The text of a file that holds secrets. @param setting names it, as in the message @throws ConfigError */
export function readSecretFile(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError(`The file ${path} cannot be read. Check ${setting}.`);
  }
}
