import { UsageError } from './exit.ts';

/** One of a few words. */
export function oneOf<const T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`${flag} must be one of: ${allowed.join(', ')}`);
  return found;
}

/** A number of at least `min`. */
export function number(flag: string, text: string, min: number, whole: boolean): number {
  const value = Number(text);
  if (
    text.trim() === '' ||
    !(value >= min) ||
    !Number.isFinite(value) ||
    (whole && !Number.isInteger(value))
  ) {
    throw new UsageError(`${flag} must be a ${whole ? 'whole ' : ''}number of at least ${min}`);
  }
  return value;
}

/** `Read,Bash(git log:*)`: commas inside parentheses belong to the rule. */
export function list(text: string): string[] {
  const rules = text.match(/(?:\([^)]*\)|[^,(])+/g) ?? [];
  return rules.map((rule) => rule.trim()).filter((rule) => rule !== '');
}
