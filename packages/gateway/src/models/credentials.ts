/**
 * A key without the newline that a file leaves at its end. One that no header can hold is reported here, by the name of
 * where it came from: sent, it would turn up in the error message of whoever builds the header, and so at the client.
 */
export function usableKey(name: string, raw: string | undefined, missing: string[]): string | undefined {
  const key = raw?.trim();
  if (!key) return undefined;
  if (!/[^\x21-\x7e]/.test(key)) return key;
  missing.push(`${name} to a usable key (the key in ${name} holds characters that no header may have)`);
  return undefined;
}

/** The configuration's own headers, with the same care: a key may be in any of them. */
export function usableHeaders(
  provider: string,
  headers: Readonly<Record<string, string>>,
  missing: string[],
): Record<string, string> {
  const usable: Record<string, string> = {};
  for (const [name, raw] of Object.entries(headers)) {
    const value = raw.trim();
    if (/^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      usable[name.toLowerCase()] = value;
    } else {
      missing.push(
        `providers.${provider}.headers to usable ones (${JSON.stringify(name)} holds characters that no header may have)`,
      );
    }
  }
  return usable;
}
