import { asText } from '../store/postgres/pool.ts';

/** A value of SQLite. */
export type Source = string | number | null;

/** What a column of PostgreSQL holds. Arrays of text come from SQLite as JSON. */
export type Kind = 'text' | 'integer' | 'boolean' | 'float' | 'texts';

const KINDS: Readonly<Record<string, Kind>> = {
  text: 'text',
  bigint: 'integer',
  integer: 'integer',
  boolean: 'boolean',
  'double precision': 'float',
  ARRAY: 'texts',
};

/** The kind for a type of information_schema; undefined for one that nothing is copied to. */
export const kindOf = (dataType: string): Kind | undefined => KINDS[dataType];

const textsOf = (json: string): string[] => (JSON.parse(json) as string[]).map(asText);

/** A value as PostgreSQL reads it from text. */
function plain(value: string | number, kind: Kind): string {
  switch (kind) {
    case 'text':
      return asText(String(value));
    case 'integer':
    case 'float':
      return String(value);
    case 'boolean':
      return value === 1 ? 'true' : 'false';
    case 'texts': {
      const quoted = textsOf(String(value)).map((text) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`);
      return `{${quoted.join(',')}}`;
    }
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A value in a line of COPY. */
export const copyText = (value: Source, kind: Kind): string =>
  value === null ? '\\N' : plain(value, kind).replaceAll(/[\\\n\r\t]/g, (c) => ESCAPES[c] ?? c);

/** A value as its hash is made of it: what no other value and no other division into values looks like. */
export function hashText(value: Source, kind: Kind): string {
  if (value === null) return 'n';
  const text =
    kind === 'float'
      ? doubleHex(Number(value))
      : kind === 'texts'
        ? JSON.stringify(textsOf(String(value)))
        : plain(value, kind);
  return `${Buffer.byteLength(text)}:${text}`;
}

/** The same in PostgreSQL: an expression of a column. */
export function hashExpression(column: string, kind: Kind): string {
  const text =
    kind === 'float'
      ? `encode(float8send(${column}), 'hex')`
      : kind === 'texts'
        ? `to_json(${column})::text`
        : `${column}::text`;
  return `coalesce(octet_length(${text}) || ':' || ${text}, 'n')`;
}

function doubleHex(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}
