// A thinking signature, an encrypted reasoning item or a thought signature is valid only at the provider that made it;
// any other provider answers 400. Anthropic's format has two fields in which the client keeps such data for us
// (`signature`, `redacted_thinking.data`), so the gateway writes an envelope there that names the provider.

const prefix = 'cag1.';

/** Whether the text of a request may contain an envelope. */
export function mayContainProvenance(text: string): boolean {
  // The second search begins with a quote, which JSON is full of, and is ten times slower: 8 µs for 42 KB.
  return text.includes(prefix) && text.includes(`"${prefix}`);
}

export interface Provenance {
  /** The provider that made the data. */
  from: string;
  /** The data that the provider wants back. */
  data?: unknown;
  /** The tool call that the data belongs to, if any. */
  tool?: string;
  /** Set when the data belongs to the text before it. */
  part?: 'text';
  /** A thought that the client did not ask for: its text, and the index of the block that it preceded. */
  text?: string;
  at?: number;
}

export function encodeProvenance(provenance: Provenance): string {
  return prefix + Buffer.from(JSON.stringify(provenance)).toString('base64url');
}

/** The envelope in a signature; undefined when the gateway did not write it (Anthropic's own signatures). */
export function decodeProvenance(text: string | undefined): Provenance | undefined {
  if (!text?.startsWith(prefix)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(text.slice(prefix.length), 'base64url').toString());
    if (typeof value !== 'object' || value === null || !('from' in value)) return undefined;
    return typeof value.from === 'string' ? (value as Provenance) : undefined;
  } catch {
    return undefined;
  }
}
