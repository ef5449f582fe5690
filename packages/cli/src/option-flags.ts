import {
  type FlagFacts,
  type FlaggedOptions,
  type FlagValues,
  sessionOptionEntries,
} from 'claude-agent-protocol/session-options';
import { list, number } from './flag-values.ts';

const FLAGGED = sessionOptionEntries.flatMap(([option, { flag }]) => (flag ? [{ option, flag }] : []));

/** The flags that set an option of the session, as `parseArgs` takes them. */
export const OPTION_FLAGS: Record<string, FlagFacts & { type: 'boolean' | 'string' }> = Object.fromEntries(
  FLAGGED.map(({ flag }) => [flag.name, { ...flag, type: flag.form === 'switch' ? 'boolean' : 'string' }]),
);

const READ: { [F in keyof FlagValues]: (flag: FlagFacts, given: string) => FlagValues[F] } = {
  switch: () => true,
  text: (_, text) => text,
  list: (_, text) => list(text),
  integer: ({ name, min = 0 }, text) => number(`--${name}`, text, min, true),
  number: ({ name, min = 0 }, text) => number(`--${name}`, text, min, false),
};

/** What the flags say about the session; a flag that was not given is not there. */
export const readOptionFlags = (values: Readonly<Record<string, unknown>>): FlaggedOptions =>
  Object.fromEntries(
    FLAGGED.flatMap(({ option, flag }) => {
      const given = values[flag.name];
      return given === undefined ? [] : [[option, READ[flag.form](flag, String(given))]];
    }),
  );
