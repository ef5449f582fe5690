import { readFileSync } from 'node:fs';
import type { ParseArgsOptionDescriptor } from 'node:util';
import { type JSONPath, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { createPositions, type Positions } from './config-positions.ts';
import { nearest } from './nearest.ts';

/** Something that is wrong with the configuration, and where. */
export interface Mistake {
  /** `config.json:3:7`, `AGENT_SERVER_PORT` or `--port`. */
  where: string;
  message: string;
}

/** The settings of flags, environment and file, in the form of the file. */
export interface Sources<T> {
  /** Without those that are wrong. */
  settings: T;
  mistakes: Mistake[];
  /** Where a setting, or a part of it, comes from; undefined for a default. */
  whereIs(path: JSONPath): string | undefined;
}

/** A setting that is one value: it has a flag and a variable. */
interface Leaf {
  path: readonly string[];
  schema: JsonSchema;
  /** `max_sessions`, `retention_max_events`. */
  name: string;
}

/** The part of a JSON schema that is looked at. */
interface JsonSchema {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  minimum?: number;
  maximum?: number;
}

/** Secrets have no flag: everybody on the machine sees the list of processes. */
const NO_FLAG: ReadonlySet<string> = new Set([
  'api_keys',
  'gateway',
  'webhooks',
  'secrets',
  'secrets_key',
  'oidc_client_secret',
  '$schema',
]);
const NO_VARIABLE: ReadonlySet<string> = new Set(['$schema']);
/** Variables and flags that have other names, or mean a part. */
const ALIASES: Readonly<Record<string, string>> = {
  root: 'roots',
  workspaces: 'workspaces_folder',
  sandbox: 'sandbox_mode',
};
/** Our variables that are no settings: a key, the bucket's credentials, and the marks that agents carry. */
const OTHER_VARIABLES = /^AGENT_SERVER_(API_KEY|S3_[A-Z_]+|INSTANCE|RUN|SESSION)$/;
const PREFIX = 'AGENT_SERVER_';

/** The names under which settings are given. */
export interface SettingNames {
  /** For `parseArgs`. */
  flags: Record<string, ParseArgsOptionDescriptor>;
  /** Merges what flags, environment and file say. */
  merge<T>(given: {
    flags: Readonly<Record<string, unknown>>;
    env: NodeJS.ProcessEnv;
    file: string | undefined;
    schema: z.ZodType<T>;
  }): Sources<T>;
  leaves: readonly Leaf[];
}

/** The names of the settings that a schema has. @param json the schema as JSON schema */
export function createSettingNames(json: object): SettingNames {
  const leaves = leavesOf(json as JsonSchema, []);
  const byName = new Map(leaves.map((leaf) => [leaf.name, leaf]));
  const leafOf = (name: string): Leaf | undefined => byName.get(ALIASES[name] ?? name);
  const names = [...byName.keys(), ...Object.keys(ALIASES)];

  const flags = Object.fromEntries(
    names
      .filter((name) => !NO_FLAG.has(name))
      .flatMap((name): [string, ParseArgsOptionDescriptor][] => {
        const schema = leafOf(name)?.schema;
        if (!schema) return [];
        const type = isBoolean(schema) ? 'boolean' : 'string';
        return [[dashed(name), { type, ...(hasType(schema, 'array') && { multiple: true }) }]];
      }),
  );

  return {
    flags,
    leaves,
    merge({ flags: given, env, file, schema }) {
      const mistakes: Mistake[] = [];
      const origins = new Map<string, string>();
      const read = file === undefined ? undefined : readSettings(file, mistakes);
      const settings = read?.settings ?? {};
      const take = (name: string, where: string, value: string | string[] | boolean): void => {
        const leaf = leafOf(name);
        if (!leaf) return;
        const parsed = parseValue(value, leaf.schema);
        if ('wrong' in parsed) mistakes.push({ where, message: parsed.wrong });
        else set(settings, leaf.path, parsed.value);
        origins.set(leaf.path.join('.'), where);
      };
      for (const name of names) {
        const variable = PREFIX + name.toUpperCase();
        const text = env[variable];
        // An empty variable is none.
        if (text && !NO_VARIABLE.has(name)) take(name, variable, text);
      }
      for (const name of names) {
        const value = given[dashed(name)];
        if (value === undefined) continue;
        const flag = value === false ? `--no-${dashed(name)}` : `--${dashed(name)}`;
        take(name, flag, value as string | string[] | boolean);
      }
      const whereIs = (path: JSONPath): string | undefined => {
        for (let length = path.length; length > 0; length--) {
          const where = origins.get(path.slice(0, length).join('.'));
          if (where !== undefined) return where;
        }
        return read?.positions.of(path);
      };
      const found = schema.safeParse(settings);
      mistakes.push(...check(schema, settings, whereIs));
      for (const issue of found.error?.issues ?? []) {
        const [first] = issue.path;
        const wrong =
          first === undefined && issue.code === 'unrecognized_keys' ? issue.keys : [String(first)];
        for (const name of wrong) delete settings[name];
      }
      return { settings: schema.parse(settings), mistakes, whereIs };
    },
  };
}

/** What a schema has against settings. */
export function check(
  schema: z.ZodType,
  settings: unknown,
  whereIs: Sources<unknown>['whereIs'],
  prefix: readonly string[] = [],
): Mistake[] {
  const parsed = schema.safeParse(settings);
  return (parsed.error?.issues ?? []).flatMap((issue): Mistake[] => {
    const path = [...prefix, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
    if (issue.code !== 'unrecognized_keys') {
      const name = path.join('.');
      return [{ where: whereIs(path) ?? name, message: `"${name}": ${issue.message}` }];
    }
    const known = knownAt(schema, issue.path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      return {
        where: whereIs([...path, key]) ?? key,
        message: `there is no setting "${[...path, key].join('.')}".${meant === undefined ? '' : ` Did you mean "${meant}"?`}`,
      };
    });
  });
}

/** Variables that look like settings and are none. */
export function strayVariables(env: NodeJS.ProcessEnv, leaves: readonly Leaf[]): Mistake[] {
  const known = [...leaves.map(({ name }) => name), ...Object.keys(ALIASES)].map(
    (name) => PREFIX + name.toUpperCase(),
  );
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name) && !OTHER_VARIABLES.test(name))
    .map((name) => {
      const meant = nearest(name, known);
      return {
        where: name,
        message: `there is no such setting.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
      };
    });
}

const dashed = (name: string): string => name.replaceAll('_', '-');

function leavesOf(schema: JsonSchema, path: readonly string[]): Leaf[] {
  if (schema.properties && path.length < 2)
    return Object.entries(schema.properties).flatMap(([name, part]) => leavesOf(part, [...path, name]));
  return [{ path, schema, name: path.join('_') }];
}

const alternatives = (schema: JsonSchema): JsonSchema[] => schema.anyOf ?? [schema];
const hasType = (schema: JsonSchema, type: string): boolean =>
  alternatives(schema).some((each) => each.type === type);
const isBoolean = (schema: JsonSchema): boolean => schema.type === 'boolean';

/** The value that a text stands for. */
function parseValue(
  given: string | string[] | boolean,
  schema: JsonSchema,
): { value: unknown } | { wrong: string } {
  if (typeof given === 'boolean') return { value: given };
  if (Array.isArray(given)) {
    const [only = ''] = given;
    return given.length === 1 && !isPlainList(schema) ? parseValue(only, schema) : { value: given };
  }
  const options = alternatives(schema);
  const flag = options.find(({ type, const: fixed }) => type === 'boolean' || typeof fixed === 'boolean');
  if (flag && /^(true|false|1|0)$/.test(given)) return { value: given === 'true' || given === '1' };
  const number = options.find(({ type }) => type === 'number' || type === 'integer');
  if (number) return parseNumber(given, number);
  if (schema.enum && !schema.enum.includes(given))
    return { wrong: `must be one of ${schema.enum.join(', ')}, not "${given}".` };
  if (hasType(schema, 'array') && !given.trimStart().startsWith('['))
    return { value: given.split(',').flatMap((part) => part.trim() || []) };
  if (hasType(schema, 'string')) return { value: given };
  try {
    return { value: JSON.parse(given) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      wrong: flag && options.length === 1 ? `takes true or false, not "${given}".` : `takes JSON: ${why}.`,
    };
  }
}

/** Each flag is one item. */
const isPlainList = (schema: JsonSchema): boolean =>
  schema.type === 'array' && schema.items?.type === 'string';

function parseNumber(
  given: string,
  { type, minimum, maximum }: JsonSchema,
): { value: number } | { wrong: string } {
  const number = Number(given);
  const isNumber = /^-?\d+(\.\d+)?$/.test(given) && (type === 'number' || Number.isInteger(number));
  const [low, high] = [minimum ?? -Infinity, maximum ?? Infinity];
  if (isNumber && number >= low && number <= high) return { value: number };
  const from = low > Number.MIN_SAFE_INTEGER ? ` from ${low}` : '';
  const to = high < Number.MAX_SAFE_INTEGER ? ` to ${high}` : from && ' on';
  return { wrong: `takes a number${from}${to}, not "${given}".` };
}

function set(
  settings: Record<string, unknown>,
  [first = '', ...rest]: readonly string[],
  value: unknown,
): void {
  const inside = settings[first];
  if (rest.length === 0) {
    settings[first] = value;
    return;
  }
  const part = typeof inside === 'object' && inside !== null ? { ...inside } : {};
  settings[first] = part;
  set(part as Record<string, unknown>, rest, value);
}

/** The names that an object of the schema has. */
function knownAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema | undefined;
  for (const part of path) {
    const at: JsonSchema = json ?? {};
    json = typeof part === 'number' ? at.items : at.properties?.[String(part)];
  }
  return Object.keys(json?.properties ?? {});
}

/** Reads a file of settings, and where each of them stands. */
function readSettings(
  path: string,
  mistakes: Mistake[],
): { settings: Record<string, unknown>; positions: Positions } | undefined {
  let text: string;
  try {
    // Editors on Windows write a byte order mark.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    mistakes.push({ where: path, message: `the configuration cannot be read: ${why}.` });
    return undefined;
  }
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
  const positions = createPositions(path, text, tree);
  for (const { error, offset } of errors) {
    const what = printParseErrorCode(error)
      .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toLowerCase();
    mistakes.push({
      where: positions.at(offset),
      message: `the configuration cannot be read as JSON: ${what}.`,
    });
  }
  for (const { name, offset } of positions.repeated) {
    mistakes.push({ where: positions.at(offset), message: `"${name}" is there twice. Remove one of them.` });
  }
  if (errors.length > 0) return undefined;
  const settings: unknown = JSON.parse(text);
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings))
    return { settings: { ...settings }, positions };
  mistakes.push({ where: positions.at(0), message: 'the configuration is not an object: { … }.' });
  return undefined;
}
