/** Writes config.schema.json, for editors; with --check it only says whether the file is up to date. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { configSchema } from '../packages/server/src/config.ts';
import { publishedSchema } from '../packages/server/src/config-check.ts';
import { DESCRIPTIONS } from '../packages/server/src/setting-descriptions.ts';
import { createSettingNames } from '../packages/server/src/setting-sources.ts';

const FILE = new URL('../packages/server/config.schema.json', import.meta.url);

/** What config.schema.json must hold. */
export const configSchemaText = (): string => `${JSON.stringify(publishedSchema(), null, 2)}\n`;

/** What is wrong with the text of config.schema.json, or with the descriptions in it; undefined when nothing is. */
export function configSchemaProblem(text: string | undefined): string | undefined {
  const names = createSettingNames(configSchema()).leaves.map(({ path }) => path.join('.'));
  const silent = names.filter((name) => DESCRIPTIONS[name] === undefined);
  if (silent.length > 0)
    return `Describe ${silent.join(', ')} in packages/server/src/setting-descriptions.ts.`;
  const tops = new Set(names.flatMap((name) => [name, name.split('.')[0]]));
  const gone = Object.keys(DESCRIPTIONS).filter((name) => !tops.has(name));
  if (gone.length > 0)
    return `There is no setting ${gone.join(', ')}: remove it from packages/server/src/setting-descriptions.ts.`;
  return text === configSchemaText()
    ? undefined
    : 'config.schema.json does not match the settings. Run `npm run config-schema` and commit the file.';
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const problem = configSchemaProblem(existsSync(FILE) ? readFileSync(FILE, 'utf8') : undefined);
    if (problem !== undefined) {
      console.error(problem);
      process.exitCode = 1;
    }
  } else {
    writeFileSync(FILE, configSchemaText());
  }
}
