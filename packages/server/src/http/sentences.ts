import type { FieldError } from 'claude-agent-protocol/problems';
import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** Plain names for the JSON types that a schema expects. */
const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

/**
 * Says what is wrong with one field: what is missing, or what would be valid. zod itself says "Invalid input" for an
 * absent field, and for one that matches none of several alternatives.
 */
export function fieldError(issue: Issue, value: unknown, where: string): FieldError {
  const { path, message } = explain(issue, value);
  return { path: [where, ...path].join('.'), message };
}

function explain(issue: Issue, root: unknown): { path: PropertyKey[]; message: string } {
  const { path } = issue;
  const value = at(root, path);
  if (value === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_union')) {
    const fits = expectedBy(issue);
    return { path, message: fits ? `is missing; it has to be ${fits}` : 'is missing' };
  }
  if (issue.code === 'invalid_union') {
    // The alternative that got furthest is most likely the intended one.
    const [furthest] = issue.errors
      .flat()
      .filter((inner) => inner.path.length > 0)
      .sort((a, b) => b.path.length - a.path.length);
    if (furthest) {
      const inner = explain(furthest, value);
      return { path: [...path, ...inner.path], message: inner.message };
    }
  }
  const fits = expectedBy(issue);
  return { path, message: fits ? `has to be ${fits}, not ${kindOf(value)}` : issue.message };
}

/** The expected type, if the type is what is wrong. */
function expectedBy(issue: Issue): string | undefined {
  if (issue.code === 'invalid_type') return kinds[issue.expected] ?? issue.expected;
  if (issue.code !== 'invalid_union') return undefined;
  const each = issue.errors.flat().filter((inner) => inner.path.length === 0);
  const words = each.map(expectedBy).filter((word) => word !== undefined);
  return words.length > 0 && words.length === each.length ? [...new Set(words)].join(' or ') : undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return kinds[typeof value] ?? typeof value;
}

function at(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  );
}
