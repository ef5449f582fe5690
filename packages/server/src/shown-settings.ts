import type { SettingNames } from './setting-sources.ts';

/** A setting that somebody gave, as people may see it. */
export interface ShownSetting {
  /** As `retention.max_events`. */
  name: string;
  /** As JSON; parts that may be secret are left out. */
  value: string;
  /** The flag, the variable, or the place in the file. */
  from: string;
}

const HIDDEN = '(not shown)';

/** Whole settings that hold secrets somewhere. */
const SECRETS: ReadonlySet<string> = new Set([
  'api_keys',
  'gateway',
  'database_url',
  'webhooks',
  'secrets',
  'secrets_key',
]);

/** Whatever setting comes: a part with such a name is not shown. */
const SECRET_NAME = /secret|password|token|credential|(^|_)keys?$/i;

/** What is set, in the order of the schema. */
export function shownSettings(
  leaves: SettingNames['leaves'],
  settings: object,
  whereIs: (path: string[]) => string | undefined,
): ShownSetting[] {
  return leaves.flatMap(({ path }) => {
    const value = path.reduce<unknown>((at, name) => memberOf(at, name), settings);
    if (value === undefined) return [];
    const isSecret = SECRETS.has(path[0] ?? '') || path.some((part) => SECRET_NAME.test(part));
    const shown = isSecret ? HIDDEN : JSON.stringify(value, withoutSecrets);
    return [{ name: path.join('.'), value: shown, from: whereIs([...path]) ?? '' }];
  });
}

const withoutSecrets = (name: string, value: unknown): unknown => (SECRET_NAME.test(name) ? HIDDEN : value);

const memberOf = (at: unknown, name: string): unknown =>
  typeof at === 'object' && at !== null ? Object.entries(at).find(([key]) => key === name)?.[1] : undefined;
