/** Writes openapi.json from the contract; with --check it only says whether the file is up to date. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '../packages/server/src/http/openapi.ts';
import { VERSION } from '../packages/server/src/version.ts';

const file = new URL('../openapi.json', import.meta.url);
const wanted = `${JSON.stringify(openApiDocument(VERSION), null, 2)}\n`;

if (!process.argv.includes('--check')) {
  writeFileSync(file, wanted);
} else if (!existsSync(file) || readFileSync(file, 'utf8') !== wanted) {
  console.error('openapi.json is not what the contract says. Run `npm run openapi` and commit the file.');
  process.exitCode = 1;
}
