import { fstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { ContentBlock, UserInput } from 'claude-agent-protocol';
import { UsageError } from './exit.ts';

const MEDIA_TYPES: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
};

/** The media type of an image file, by its name. */
export function imageType(path: string): string | undefined {
  return MEDIA_TYPES[extname(path).toLowerCase()];
}

/** A text with images as a message: plain text when there are none. */
export async function withImages(text: string, paths: readonly string[]): Promise<UserInput> {
  if (paths.length === 0) return text;
  const blocks: ContentBlock[] = text.trim() === '' ? [] : [{ type: 'text', text }];
  for (const path of paths) {
    const media_type = imageType(path);
    if (!media_type)
      throw new UsageError(`${basename(path)} is not an image that can be sent (png, jpg, gif or webp)`);
    const data = await readFile(path, 'base64').catch(() => {
      throw new UsageError(`Cannot read ${path}`);
    });
    blocks.push({ type: 'image', source: { type: 'base64', media_type, data } });
  }
  return blocks;
}

/** True when something was piped or redirected into the program, and not merely left open by its parent. */
export function isPiped(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile();
  } catch {
    return false;
  }
}

export async function readStandardInput(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of input) text += chunk.toString();
  return text;
}
