/** Writes openapi.json from the contract; with --check it only says whether the file is up to date. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../packages/server/src/http/openapi.ts';
import { VERSION } from '../packages/server/src/version.ts';

const FILE = new URL('../openapi.json', import.meta.url);

/** What openapi.json must hold. */
export const openApiText = (): string => `${JSON.stringify(openApiDocument(VERSION), null, 2)}\n`;

/** What is wrong with the text of openapi.json; undefined when nothing is. */
export const openApiProblem = (text: string | undefined): string | undefined =>
  text === openApiText()
    ? undefined
    : 'openapi.json does not match the contract. Run `npm run openapi` and commit the file.';

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const problem = openApiProblem(existsSync(FILE) ? readFileSync(FILE, 'utf8') : undefined);
    if (problem !== undefined) {
      console.error(problem);
      process.exitCode = 1;
    }
  } else {
    writeFileSync(FILE, openApiText());
  }
}
