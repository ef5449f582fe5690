import { ApiError } from 'claude-agent-client';
import { describe, expect, test } from 'vitest';
import { bodyOf, type CreateForm, EMPTY_FORM, errorsOf } from './form.ts';
import { describeModel, findModels } from './models.ts';

const model = (id: string, set: object = {}) => ({
  id,
  kind: 'model' as const,
  needs_proxy: false,
  context_window: null,
  price: null,
  ...set,
});
const body = (set: Partial<CreateForm>) =>
  bodyOf({ ...EMPTY_FORM, ...set }, [model('far', { needs_proxy: true })]);

describe('the options of a new session', () => {
  test('are none when nothing was filled in', () => {
    expect(body({})).toEqual({ body: {} });
  });

  test('are read from the fields', () => {
    expect(
      body({
        cwd: ' /work ',
        title: 'A',
        model: 'far',
        mode: 'plan',
        allowed: 'Read\n\n Bash(git log *) ',
        mcp: '{"docs": {"command": "x"}}',
        budget: '2.5',
        prompt: 'Be brief.',
        network: 'limited',
        hosts: 'example.org',
        tags: 'team=red\nn=3',
        trust: true,
        other: '{"on_crash": "resume", "title": "Overruled"}',
      }),
    ).toEqual({
      body: {
        cwd: '/work',
        title: 'A',
        model: 'far',
        enable_proxy: true,
        permission_mode: 'plan',
        allowed_tools: ['Read', 'Bash(git log *)'],
        mcp_servers: { docs: { command: 'x' } },
        max_budget_usd: 2.5,
        system_prompt: { type: 'preset', preset: 'claude_code', append: 'Be brief.' },
        network: { mode: 'limited', hosts: ['example.org'] },
        metadata: { team: 'red', n: 3 },
        trust_project: true,
        on_crash: 'resume',
      },
    });
    expect(body({ source: 'git', cwd: '/x', gitUrl: 'https://e.org/r.git', gitRef: 'main' })).toEqual({
      body: { workspace: { git: 'https://e.org/r.git', ref: 'main' } },
    });
    expect(body({ promptHow: 'replace', prompt: 'Be brief.' })).toEqual({
      body: { system_prompt: 'Be brief.' },
    });
  });

  test('are refused at their field where they cannot be read', () => {
    expect(body({ mcp: '{', budget: 'much', tags: 'red', other: '[]' })).toEqual({
      errors: {
        mcp: expect.stringContaining('not JSON'),
        budget: 'This must be a number.',
        tags: '"red" is not of the form name=value.',
        other: expect.stringContaining('object'),
      },
    });
  });
});

describe('what the server refuses', () => {
  const refused = (code: string, errors: { path: string; message: string }[] = []) =>
    errorsOf(new ApiError({ status: 422, code, detail: 'A sentence.', errors, params: {} }));

  test('is told at the field that it is about', () => {
    expect(
      refused('validation_failed', [
        { path: 'body.max_budget_usd', message: 'too small' },
        { path: 'body.mcp_servers.docs.url', message: 'no URL' },
        { path: 'body.mcp_servers.docs.type', message: 'unknown' },
        { path: 'body.workspace.git', message: 'no address' },
        { path: 'body.network.hosts.0', message: 'no host' },
        { path: 'body.park_after_seconds', message: 'too large' },
      ]),
    ).toEqual({
      errors: {
        budget: 'too small',
        mcp: 'docs.url: no URL; docs.type: unknown',
        gitUrl: 'no address',
        hosts: '0: no host',
        other: 'park_after_seconds: too large',
      },
      general: undefined,
    });
    expect(refused('cwd_not_allowed')).toEqual({ errors: { cwd: 'A sentence.' }, general: undefined });
  });

  test('is told above the form when it is about none', () => {
    expect(refused('too_many_sessions')).toEqual({ errors: {}, general: 'A sentence.' });
    expect(errorsOf(new Error('No server.'))).toEqual({ errors: {}, general: 'No server.' });
  });
});

describe('models', () => {
  test('are found by all words of what was typed', () => {
    const models = ['openai/gpt-5', 'gpt-5-mini', 'claude-opus'].map((id) => model(id));
    expect(findModels(models, 'gpt 5').map(({ id }) => id)).toEqual(['gpt-5-mini', 'openai/gpt-5']);
    expect(findModels(models, '')).toHaveLength(3);
  });

  test('are described by what is known of them', () => {
    expect(describeModel(model('a'))).toBe('');
    expect(describeModel(model('a', { price: { input: 0, output: 0 }, context_window: 200_000 }))).toBe(
      'free · 200K tokens',
    );
    expect(describeModel(model('a', { price: { input: 2.5, output: 10 } }))).toContain(
      '$2.50 in, $10.00 out',
    );
  });
});
