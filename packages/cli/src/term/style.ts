import { styleText } from 'node:util';

const STYLES = [
  'bold',
  'dim',
  'italic',
  'underline',
  'strikethrough',
  'inverse',
  'red',
  'green',
  'yellow',
  'blue',
  'magenta',
  'cyan',
  'gray',
] as const;

/** Puts colours and weights around text; without colours every function gives its text back unchanged. */
export type Paint = Record<(typeof STYLES)[number], (text: string) => string>;

export function createPaint(enabled: boolean): Paint {
  const entries = STYLES.map((style) => [
    style,
    // Whether there are colours was decided for the whole program: styleText need not look at the stream again.
    (text: string): string =>
      enabled && text !== '' ? styleText(style, text, { validateStream: false }) : text,
  ]);
  return Object.fromEntries(entries) as Paint;
}
