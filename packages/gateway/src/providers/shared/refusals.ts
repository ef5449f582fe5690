import { isObject } from '../../messages/is-object.ts';
import type { UpstreamFailure } from '../../upstream/error.ts';
import { nearestEffort } from './thinking.ts';

type Body = Record<string, unknown>;

/** OpenAI's codes for what an upstream does not know; `decimal_above_max_value` and the like are the client's mistakes. */
const teachingCodes = new Set([
  'unsupported_value',
  'unsupported_parameter',
  'unknown_parameter',
  'extra_forbidden',
]);

/** Words that say the same. A value that is merely invalid must not take the field away from everybody else. */
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

/** How upstreams introduce the values that they do take. */
const listWords = /values are|(?:must|should|can) be|(?:one|any) of|expected/i;

/** Fields whose value the gateway picks: a value of it that is refused is no mistake of the client's. */
const effortFields = ['reasoning.effort', 'reasoning_effort'];

/** What the field at this path holds; undefined when it is not there. */
function valueAt(body: Body, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), body);
}

/** The upstream's own word for what it is about, if that is in the body: imitations say `None`, or nothing. */
function paramOf({ param }: UpstreamFailure, body: Body): string | undefined {
  const path = param?.replace(/^body\./, '') ?? '';
  return Object.hasOwn(body, /^\w*/.exec(path)?.[0] ?? '') ? path : undefined;
}

/** The optional field that a name in an error stands for: itself, or what it is a part of. */
function fieldOf(named: string, body: Body, optional: readonly string[]): string | undefined {
  let path = named.replace(/^body\./, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  while (path !== '') {
    if (optional.includes(path) && valueAt(body, path) !== undefined) {
      // A choice that the client made is not harmless to leave out: the model would answer something else.
      return path === 'tool_choice' && body.tool_choice !== 'auto' ? undefined : path;
    }
    path = path.slice(0, Math.max(0, path.lastIndexOf('.')));
  }
  return undefined;
}

/** The first field that a sentence names, in quotes if any is: another one is often named as its remedy. */
function firstField(sentence: string, body: Body, optional: readonly string[]): string | undefined {
  for (const pattern of [/['"`]([\w.]*\w)['"`]/g, /(?<![\w.])([A-Za-z_]+(?:\.[A-Za-z_]+)*)/g]) {
    for (const [, name = ''] of sentence.matchAll(pattern)) {
      const field = fieldOf(name, body, optional);
      if (field) return field;
    }
  }
  return undefined;
}

/** The field that the upstream does not take, or that it does not take this value of. */
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
  // One sentence at a time, and one entry of a list: what is said of one field says nothing of another.
  for (const sentence of message.split(/[.;]\s|\}\s*,\s*\{/)) {
    const field = teaches(sentence) ? firstField(sentence, body, optional) : undefined;
    if (field) return field;
  }
  return undefined;
}

/** An effort that is refused: the nearest one that the upstream names, or none at all. */
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
  // What was refused itself is no way out, although an upstream may list it.
  const others = listed.filter(
    (name) => name !== effort && ![...refused].some((lesson) => lesson.startsWith(`${field}=${name}>`)),
  );
  return listed.length > 0 || code === 'unsupported_value'
    ? `${field}=${effort}>${nearestEffort(effort, others) ?? ''}`
    : undefined;
}

/**
 * What a refusal teaches about this upstream: a field to leave out, or an effort to replace (`reasoning_effort=low>high`,
 * with nothing after the arrow to leave it out). Undefined when the client has to be told.
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
