/**
 * Tells when a JSON text that arrives in chunks is complete, reading each character once. Calling JSON.parse after every
 * chunk blocked the process for 5 s with a tool call of 400 KB.
 */
export interface JsonShape {
  push(chunk: string): void;
  /** What the text begins with after white space; undefined until then. */
  begins(): 'object' | 'other' | undefined;
  /** Whether the object is closed. It may still be invalid JSON. */
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
    push(chunk) {
      for (let at = 0; at < chunk.length && !closed; at += 1) read(chunk.charCodeAt(at));
    },
    begins: () => first,
    closed: () => closed && first === 'object',
  };
}

/** Whether a text is a JSON object; only for complete texts, because JSON.parse reads all of it. */
export function isCompleteJson(text: string): boolean {
  const trimmed = text.trimEnd();
  if (!trimmed.endsWith('}')) return false;
  try {
    JSON.parse(trimmed);
    return true;
  } catch {
    return false;
  }
}
