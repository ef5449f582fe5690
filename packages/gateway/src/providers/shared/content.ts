import { refuse } from '../../messages/errors.ts';
import type { ContentBlock, DocumentBlock, ImageBlock, MessagesRequest } from '../../messages/types.ts';

/** The client's billing note is for Anthropic only. */
const billing = 'x-anthropic-billing-header';

export function blocksOf(content: string | ContentBlock[]): ContentBlock[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** The texts of `system`, without those for Anthropic only. */
export function systemTexts(request: MessagesRequest): string[] {
  return blocksOf(request.system ?? '')
    .map((block) => (block.type === 'text' ? block.text : ''))
    .filter((text) => text !== '' && !text.startsWith(billing));
}

export function joinTexts(content: string | ContentBlock[]): string {
  if (typeof content === 'string') return content;
  return content
    .map((block) => (block.type === 'text' ? block.text : ''))
    .filter((text) => text !== '')
    .join('\n\n');
}

/** The result of a tool call that has none, as in an interrupted turn: most providers refuse a call without a result. */
export const missingResult = 'No result: interrupted.';

/** Introduces the result of a call that is not in the message before it. */
export const earlierResult = '[Result of an earlier tool call]';

/** Replaces media in a tool's result, for providers that only take text there. */
export const mediaFollows = (type: string): string => `[The ${type} is in the next message.]`;

/** Introduces the media of a tool's result in the next user message. */
export const mediaOfTool = (type: string): string => `[The ${type} that the tool returned:]`;

/** A block without an equivalent elsewhere, as text, so that the model still sees it. */
export function asText(block: ContentBlock): string {
  if (block.type === 'text') return block.text;
  if (block.type === 'tool_reference') return `The tool ${block.tool_name} is available now.`;
  return JSON.stringify(block);
}

type Media =
  | { kind: 'image' | 'pdf'; mediaType: string; base64: string; name?: string }
  | { kind: 'image' | 'pdf'; mediaType: string; url: string; name?: string }
  | { kind: 'text'; text: string };

function titled(block: DocumentBlock, text: string): string {
  const head = [block.title, block.context].filter((part) => part).join('\n');
  return head === '' ? text : `${head}\n\n${text}`;
}

/** The content of an image or document block. */
export function mediaOf(block: ImageBlock | DocumentBlock, provider: string): Media {
  const source = block.source;
  const kind = block.type === 'image' ? 'image' : 'pdf';
  const name = block.type === 'document' && block.title ? { name: block.title } : {};
  switch (source.type) {
    case 'base64':
      return { kind, mediaType: source.media_type, base64: source.data, ...name };
    case 'url':
      if (!URL.canParse(source.url)) {
        refuse(
          400,
          `The ${block.type} block's \`source.url\` is not a valid URL: ${String(source.url).slice(0, 200)}`,
        );
      }
      return { kind, mediaType: kind === 'image' ? 'image/*' : 'application/pdf', url: source.url, ...name };
    case 'text':
      return { kind: 'text', text: block.type === 'document' ? titled(block, source.data) : source.data };
    case 'content': {
      const text = joinTexts(source.content);
      return { kind: 'text', text: block.type === 'document' ? titled(block, text) : text };
    }
    default:
      return refuse(
        400,
        `A ${block.type} with a source of type \`${source.type}\` lives on Anthropic's servers; ${provider} cannot ` +
          'read it. Send the data itself as base64.',
      );
  }
}

/** Tells the model about content that was left out. */
export function omitted(block: ImageBlock | DocumentBlock, model: string): string {
  return `[${block.type === 'image' ? 'Image' : 'PDF document'} left out: ${model} cannot read it.]`;
}

/** Refuses an image or PDF for a model that does not support it. */
export function refuseMedia(block: ImageBlock | DocumentBlock, model: string): never {
  refuse(
    400,
    `${model} cannot read ${block.type === 'image' ? 'images' : 'PDF documents'}. Remove the ${block.type} block, ` +
      'or choose a model that can.',
  );
}
