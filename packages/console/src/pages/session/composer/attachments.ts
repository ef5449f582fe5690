import type { ContentBlock, UserInput } from 'claude-agent-protocol';

/** Pictures that models read. */
const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
/** The limit of the Messages API for one picture. */
const MOST_BYTES = 5_000_000;

export interface Attachment {
  id: number;
  name: string;
  mediaType: string;
  /** Base64. */
  data: string;
}

/** Whether a file can be attached. */
export const isImage = ({ type, size }: { type: string; size: number }): boolean =>
  IMAGE_TYPES.includes(type) && size <= MOST_BYTES;

/** A file as the message carries it. */
export async function readAttachment(file: File, id: number): Promise<Attachment> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return { id, name: file.name, mediaType: file.type, data: url.slice(url.indexOf(',') + 1) };
}

/** What is sent: a text, or blocks when pictures come with it. */
export function messageOf(text: string, attachments: readonly Attachment[]): UserInput {
  if (attachments.length === 0) return text;
  const images = attachments.map(
    ({ mediaType, data }): ContentBlock => ({
      type: 'image',
      source: { type: 'base64', media_type: mediaType, data },
    }),
  );
  return text.trim() === '' ? images : [...images, { type: 'text', text }];
}

/**
 * The inverse of `messageOf`: text and pictures of a message, to be changed.
 * @returns undefined for a message that has something else, which would be lost
 */
export function contentOf(
  message: UserInput,
  name: string,
  id: number,
): { text: string; attachments: Attachment[] } | undefined {
  if (typeof message === 'string') return { text: message, attachments: [] };
  const texts: string[] = [];
  const attachments: Attachment[] = [];
  for (const block of message) {
    if (block.type === 'text') texts.push(block.text);
    else if (block.type === 'image' && block.source.type === 'base64') {
      const { media_type: mediaType, data } = block.source;
      attachments.push({ id: id + attachments.length, name, mediaType, data });
    } else return undefined;
  }
  return { text: texts.join('\n'), attachments };
}
