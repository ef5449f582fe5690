import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import type { UserInput } from 'claude-agent-protocol';
import { imageType, withImages } from '../prompt-input.ts';

/** A word that could name an image: quoted, with escaped spaces (as terminals paste dropped files), or plain. */
const WORD = /'([^']+\.\w+)'|"([^"]+\.\w+)"|((?:\\ |[^\s'"])+\.\w+)/g;

/** Images that a message names by path are sent with it. A path without an image stays text. */
export async function attachImages(text: string, cwd: string): Promise<UserInput> {
  const paths: string[] = [];
  for (const [, single, double, plain] of text.matchAll(WORD)) {
    const named = single ?? double ?? plain?.replaceAll('\\ ', ' ').replace(/^@/, '') ?? '';
    if (!imageType(named)) continue;
    const path = resolve(cwd, named.replace(/^~(?=\/)/, homedir()));
    if (await isFile(path)) paths.push(path);
  }
  return withImages(text, [...new Set(paths)]);
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
