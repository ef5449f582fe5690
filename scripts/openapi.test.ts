import { expect, test } from 'vitest';
import { openApiProblem, openApiText } from './openapi.ts';

test('openapi.json is a problem when it is missing or says something else than the contract', () => {
  const text = openApiText();
  expect(openApiProblem(text)).toBeUndefined();
  for (const stale of [undefined, '', text.replace('"get"', '"got"'), text.trimEnd()]) {
    expect(openApiProblem(stale)).toContain('npm run openapi');
  }
});
