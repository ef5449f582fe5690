/**
 * Follows a JSON text that arrives in pieces, each character once: asking JSON.parse after every piece whether it is
 * whole blocked the process for 5 s over a tool call of 400 KB.
 */
export interface JsonShape {
  push(piece: string): void;
  /** What the text begins with, white space aside; undefined before that. */
  begins(): 'object' | 'other' | undefined;
  /** The object that the text began with is closed. Whether it is valid is for JSON.parse to say. */
  closed(): boolean;
}

export function createJsonShape(): JsonShape {
  let first: 'object' | 'other' | undefined;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let closed = false;

  function read(code: number): void {
    if (inString) {
      if (escaped) escaped = false;
      else if (code === 92) escaped = true;
      else if (code === 34) inString = false;
      return;
    }
    if (code === 32 || code === 10 || code === 13 || code === 9) return;
    first ??= code === 123 ? 'object' : 'other';
    if (code === 34) inString = true;
    else if (code === 123 || code === 91) depth += 1;
    else if (code === 125 || code === 93) {
      depth -= 1;
      if (depth === 0) closed = true;
    }
  }

  return {
    push(piece) {
      for (let at = 0; at < piece.length && !closed; at += 1) read(piece.charCodeAt(at));
    },
    begins: () => first,
    closed: () => closed && first === 'object',
  };
}
