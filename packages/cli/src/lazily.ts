import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * A library that its first use loads, at once and not as a promise: the prompt is on the screen without it, and
 * drawing needs no `await`. Node can require ES modules since 22.12.
 */
export function lazily<T>(name: string): () => T {
  return once(() => require(name) as T);
}

/** Makes a value when it is first needed, and keeps it. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
