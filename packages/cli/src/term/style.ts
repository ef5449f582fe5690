/** Puts colours and weights around text; without colours every function gives its text back unchanged. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  italic(text: string): string;
  underline(text: string): string;
  strike(text: string): string;
  inverse(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  magenta(text: string): string;
  cyan(text: string): string;
  gray(text: string): string;
}

/** Each code with the code that ends it, so that styles can be nested. */
const CODES: Record<keyof Paint, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  italic: [3, 23],
  underline: [4, 24],
  strike: [9, 29],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
  gray: [90, 39],
};

export function createPaint(enabled: boolean): Paint {
  const style =
    ([open, close]: readonly [number, number]) =>
    (text: string): string =>
      enabled && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  const entries = Object.entries(CODES).map(([name, codes]) => [name, style(codes)]);
  return Object.fromEntries(entries) as Paint;
}
