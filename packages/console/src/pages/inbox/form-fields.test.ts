import { describe, expect, test } from 'vitest';
import { fieldsOf, readForm, startValues } from './form-fields.ts';

const SCHEMA = {
  type: 'object',
  required: ['count', 'name', 'colours'],
  properties: {
    count: { type: 'integer', title: 'How many', minimum: 1, maximum: 9, default: 2 },
    name: { type: 'string', minLength: 2, maxLength: 4 },
    mail: { type: 'string', format: 'email', description: 'Where to write to' },
    size: { type: 'string', enum: ['s', 'l'], enumNames: ['Small', 'Large'] },
    kind: { type: 'string', oneOf: [{ const: 'a', title: 'First' }, { const: 'b' }] },
    gift: { type: 'boolean', default: true },
    price: { type: 'number' },
    colours: { type: 'array', items: { enum: ['red', 'blue'] }, maxItems: 1 },
    code: { type: 'string', pattern: '^[A-Z]+$' },
  },
};
const fields = fieldsOf(SCHEMA);
const field = (name: string) => fields.find((each) => each.name === name);

describe('a schema', () => {
  test('becomes fields with labels, hints, choices and defaults', () => {
    expect(fields.map(({ name, kind, required }) => [name, kind, required])).toEqual([
      ['count', 'number', true],
      ['name', 'text', true],
      ['mail', 'text', false],
      ['size', 'choice', false],
      ['kind', 'choice', false],
      ['gift', 'boolean', false],
      ['price', 'number', false],
      ['colours', 'choices', true],
      ['code', 'text', false],
    ]);
    expect(field('count')).toMatchObject({ label: 'How many', integer: true, least: 1, most: 9, start: '2' });
    expect(field('mail')).toMatchObject({ label: 'mail', hint: 'Where to write to', format: 'email' });
    expect(field('size')).toMatchObject({
      choices: [
        { value: 's', label: 'Small' },
        { value: 'l', label: 'Large' },
      ],
    });
    expect(field('kind')).toMatchObject({
      choices: [
        { value: 'a', label: 'First' },
        { value: 'b', label: 'b' },
      ],
    });
  });

  test.each([undefined, null, 'text', {}, { properties: 3 }])('of %j has no fields', (schema) => {
    expect(fieldsOf(schema)).toEqual([]);
  });
});

describe('a form', () => {
  const good = { ...startValues(fields), name: 'Ada', colours: ['red'] };

  test('that is right gives what the schema asks for, without what was left empty', () => {
    expect(readForm(fields, { ...good, price: '1.5' })).toEqual({
      errors: {},
      content: { count: 2, name: 'Ada', gift: true, price: 1.5, colours: ['red'] },
    });
  });

  test.each([
    ['name', '', 'This is needed.'],
    ['colours', [], 'This is needed.'],
    ['colours', ['red', 'blue'], 'Choose at most 1.'],
    ['name', 'A', 'At least 2 characters.'],
    ['name', 'Adalbert', 'At most 4 characters.'],
    ['count', '1.5', 'This must be a whole number.'],
    ['count', 'three', 'This must be a number.'],
    ['count', '0', 'At least 1.'],
    ['count', '10', 'At most 9.'],
    ['mail', 'nobody', 'This is not an email address.'],
    ['code', 'abc', 'This does not have the form that is asked for.'],
  ])('with %s: %j is refused with a sentence', (name, value, sentence) => {
    expect(readForm(fields, { ...good, [name]: value }).errors).toEqual({ [name]: sentence });
  });

  test('with a pattern that is none refuses nothing', () => {
    const odd = fieldsOf({ properties: { a: { type: 'string', pattern: '(' } } });
    expect(readForm(odd, { a: 'x' })).toEqual({ errors: {}, content: { a: 'x' } });
  });
});
