import { isObject } from '../../messages/is-object.ts';
import type { UpstreamFailure } from '../../upstream/error.ts';
import { nearestEffort } from './thinking.ts';

type Body = Record<string, unknown>;

/** OpenAI's codes for unsupported fields; others, such as `decimal_above_max_value`, are mistakes of the client. */
const teachingCodes = new Set([
  'unsupported_value',
  'unsupported_parameter',
  'unknown_parameter',
  'extra_forbidden',
]);

/** Words with the same meaning. A merely invalid value must not remove the field for all clients. */
const teachingWords = new RegExp(
  [
    'unsupported',
    "(?:not|n't|no longer) support",
    'unrecogni[sz]ed',
    'not recogni[sz]ed',
    'unknown',
    'extra_forbidden',
    '(?:extra|additional) (?:inputs|fields|parameters|propert)',
    'extraneous',
    'unexpected (?:keyword|argument|field|input|key|name|parameter|propert)',
    'was unexpected',
    '(?:argument|field|input|key|parameter|property)\\b[^.]* not (?:allowed|permitted)',
    'not an? (?:valid|known) (?:argument|field|input|parameter|property)',
  ].join('|'),
  'i',
);

/** How upstreams introduce the values that they accept. */
const listWords = /values are|(?:must|should|can) be|(?:one|any) of|expected/i;

/** Fields whose value the gateway chooses: a refused value is not a mistake of the client. */
const effortFields = ['reasoning.effort', 'reasoning_effort'];

/** The value at a path; undefined when there is none. */
function valueAt(body: Body, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), body);
}

/** The upstream's `param`, if the body has that field: imitations send `None`, or nothing. */
function paramOf({ param }: UpstreamFailure, body: Body): string | undefined {
  const path = param?.replace(/^body\./, '') ?? '';
  return Object.hasOwn(body, /^\w*/.exec(path)?.[0] ?? '') ? path : undefined;
}

/** The optional field behind a name in an error: the field itself, or one that contains it. */
function fieldOf(named: string, body: Body, optional: readonly string[]): string | undefined {
  let path = named.replace(/^body\./, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  while (path !== '') {
    if (optional.includes(path) && valueAt(body, path) !== undefined) {
      // Leaving out the client's own choice would change the answer.
      return path === 'tool_choice' && body.tool_choice !== 'auto' ? undefined : path;
    }
    path = path.slice(0, Math.max(0, path.lastIndexOf('.')));
  }
  return undefined;
}

/** The first field that a sentence names; quoted names come first, because others are often remedies. */
function firstField(sentence: string, body: Body, optional: readonly string[]): string | undefined {
  for (const pattern of [/['"`]([\w.]*\w)['"`]/g, /(?<![\w.])([A-Za-z_]+(?:\.[A-Za-z_]+)*)/g]) {
    for (const [, name = ''] of sentence.matchAll(pattern)) {
      const field = fieldOf(name, body, optional);
      if (field) return field;
    }
  }
  return undefined;
}

/** The field that the upstream refuses, or whose value it refuses. */
function refusedField(
  upstream: UpstreamFailure,
  body: Body,
  optional: readonly string[],
): string | undefined {
  const { message, code } = upstream;
  const byCode = code !== undefined && teachingCodes.has(code);
  const teaches = (text: string) => byCode || teachingWords.test(text);
  const param = paramOf(upstream, body);
  if (param) return teaches(message) ? fieldOf(param, body, optional) : undefined;
  // Sentence by sentence, and entry by entry: a statement about one field does not apply to others.
  for (const sentence of message.split(/[.;]\s|\}\s*,\s*\{/)) {
    const field = teaches(sentence) ? firstField(sentence, body, optional) : undefined;
    if (field) return field;
  }
  return undefined;
}

/** The replacement for a refused effort: the nearest one that the upstream names, or none. */
function refusedEffort(
  upstream: UpstreamFailure,
  body: Body,
  refused: ReadonlySet<string>,
): string | undefined {
  const field = effortFields.find((name) => typeof valueAt(body, name) === 'string');
  if (!field) return undefined;
  const { message, code } = upstream;
  const param = paramOf(upstream, body);
  const isNamed = param ? param === field : firstField(message, body, [field]) === field;
  if (!isNamed) return undefined;
  const effort = String(valueAt(body, field));
  const start = listWords.exec(message);
  if (!start) return code === 'unsupported_value' ? `${field}=${effort}>` : undefined;
  const listed: string[] = message.slice(start.index).match(/\b(?:none|minimal|low|medium|x?high)\b/g) ?? [];
  // Efforts that were refused themselves are excluded, although an upstream may list them.
  const others = listed.filter(
    (name) => name !== effort && ![...refused].some((lesson) => lesson.startsWith(`${field}=${name}>`)),
  );
  return listed.length > 0 || code === 'unsupported_value'
    ? `${field}=${effort}>${nearestEffort(effort, others) ?? ''}`
    : undefined;
}

/**
 * The lesson of a refusal: a field to leave out, or an effort to replace (`reasoning_effort=low>high`, or nothing after
 * the arrow to leave it out). Undefined when the refusal has to go to the client.
 */
export function lessonOf(
  upstream: UpstreamFailure,
  body: Body,
  optional: readonly string[],
  refused: ReadonlySet<string>,
): string | undefined {
  if (upstream.status !== 400 && upstream.status !== 422) return undefined;
  return refusedEffort(upstream, body, refused) ?? refusedField(upstream, body, optional);
}
