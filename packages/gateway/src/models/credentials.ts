/**
 * A key without surrounding white space, such as a file's last newline. A key that no header can hold is reported here
 * by the name of its variable: otherwise the key would appear in an error message, and so at the client.
 */
export function usableKey(name: string, raw: string | undefined, missing: string[]): string | undefined {
  const key = raw?.trim();
  if (!key) return undefined;
  if (!/[^\x21-\x7e]/.test(key)) return key;
  missing.push(`${name} to a usable key (the key in ${name} holds characters that no header may have)`);
  return undefined;
}

/** The configuration's own headers, checked in the same way: any of them may hold a key. */
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
