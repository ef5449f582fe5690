import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import type { Home } from '../lock.ts';
import { createSeal, type Seal } from './seal.ts';
import { createVault, type Vault } from './vault.ts';

/** The file in the home, of a server that has its sessions for itself. */
const KEY_FILE = 'secrets.key';

/**
 * The vault of a server. Servers on one database need one key, so they are told it; one that is alone makes a key when a
 * caller gives it the first secret, and keeps it in its home.
 */
export function openVault(
  { secrets, secretsKeys, database }: Pick<Config, 'secrets' | 'secretsKeys' | 'database'>,
  home: Pick<Home, 'file' | 'folder'>,
): Vault {
  let seal: Seal | undefined;
  const open = (): Seal | undefined => {
    const [first, ...older] = secretsKeys;
    if (first !== undefined) return createSeal([first, ...older, ...keyInHome(home.folder)]);
    if (database) return undefined;
    const [kept] = keyInHome(home.folder);
    if (kept !== undefined) return createSeal([kept]);
    const key = randomBytes(32).toString('base64url');
    writeFileSync(home.file(KEY_FILE), key, { mode: 0o600 });
    return createSeal([key]);
  };
  return createVault({
    named: secrets,
    seal() {
      seal ??= open();
      return seal;
    },
  });
}

function keyInHome(folder: string): string[] {
  const path = `${folder}/${KEY_FILE}`;
  const key = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  return key === '' ? [] : [key];
}
