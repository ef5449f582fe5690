import { configFileSchema } from 'claude-agent-gateway';
import { z } from 'zod';
import { ConfigError, configSchema, examine, lineOf, USAGE } from './config.ts';
import { DESCRIPTIONS } from './setting-descriptions.ts';
import { check, type Mistake, type SettingNames, strayVariables } from './setting-sources.ts';
import { shownSettings } from './shown-settings.ts';

const CHECK_USAGE = 'Usage: claude-agent-server config check [options of the server]';

/** The gateway's part of the file: its keys are the server's. */
const GatewaySettings = configFileSchema.omit({ keys: true, $schema: true });

/**
 * `claude-agent-server config check`: every mistake of flags, environment and file, with its place; without one, what is
 * set, and where.
 * @throws ConfigError for other arguments
 */
export function checkConfig(
  [command, ...argv]: string[],
  env: NodeJS.ProcessEnv,
): { text: string; isRight: boolean } {
  if (command === '--help') return { text: CHECK_USAGE, isRight: true };
  if (command !== 'check') throw new ConfigError(CHECK_USAGE);
  const { help, leaves, sources, read } = examine(argv, env);
  if (help) return { text: USAGE, isRight: true };
  const { settings, whereIs } = sources;
  const mistakes = [...sources.mistakes, ...strayVariables(env, leaves)];
  const given =
    settings.gateway && 'keys' in settings.gateway
      ? { ...settings.gateway, keys: undefined }
      : settings.gateway;
  const inGateway = given ? check(GatewaySettings, withoutUndefined(given), whereIs, ['gateway']) : [];
  mistakes.push(...inGateway);
  for (const [name, readIt] of Object.entries(read)) {
    // The same again, without a place.
    if (name === 'gateway' && inGateway.length > 0) continue;
    mistakes.push(...mistakesOf(readIt, whereIs([name]) ?? `"${name}"`));
  }
  const unique = [...new Set(mistakes.map(lineOf))];
  if (unique.length > 0) {
    const count = unique.length === 1 ? 'One mistake' : `${unique.length} mistakes`;
    return { text: `${count} in the configuration:\n${unique.join('\n')}`, isRight: false };
  }
  return { text: describe(leaves, settings, whereIs), isRight: true };
}

const withoutUndefined = (given: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));

function mistakesOf(readIt: () => unknown, where: string): Mistake[] {
  try {
    readIt();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [{ where, message: error.message }];
  }
}

function describe(
  leaves: SettingNames['leaves'],
  settings: object,
  whereIs: (path: string[]) => string | undefined,
): string {
  const lines = shownSettings(leaves, settings, whereIs).map(
    ({ name, value, from }) => `${name} = ${value}\n    ${from}: ${DESCRIPTIONS[name] ?? ''}`,
  );
  return lines.length === 0
    ? 'The configuration is right: everything has its default.'
    : `The configuration is right. Set is:\n${lines.join('\n')}`;
}

/** The JSON schema of the configuration file, for editors. */
export function publishedSchema(): object {
  const schema = configSchema() as { properties?: Record<string, object> };
  const { $schema: _, ...gateway } = z.toJSONSchema(GatewaySettings, { io: 'input', unrepresentable: 'any' });
  const properties = Object.entries({ ...schema.properties, gateway }).map(([name, part]) => [
    name,
    withDescriptions(part, name),
  ]);
  return {
    ...schema,
    title: 'Configuration of claude-agent-server',
    properties: Object.fromEntries(properties),
  };
}

function withDescriptions(part: object, name: string): object {
  const description = DESCRIPTIONS[name];
  const inner = 'properties' in part && name !== 'gateway' ? Object.entries(part.properties as object) : [];
  return {
    ...(description !== undefined && { description }),
    ...part,
    ...(inner.length > 0 && {
      properties: Object.fromEntries(
        inner.map(([key, each]) => [key, withDescriptions(each as object, `${name}.${key}`)]),
      ),
    }),
  };
}
