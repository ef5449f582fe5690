import type { PermissionRequest } from 'claude-agent-protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Key } from '../term/keys.ts';
import { createPanelKeys, type OpenPanel } from '../term/panel-keys.ts';
import { choosePanel } from '../term/panels.ts';
import { createPaint } from '../term/style.ts';
import { askUser, permissionPanel, suggestionText } from './approvals.ts';
import type { Answer } from './ask.ts';
import { dangerOf } from './danger.ts';

const request = (parts: Partial<PermissionRequest> = {}): PermissionRequest => ({
  request_id: 'r1',
  session_id: '7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e',
  turn_id: null,
  kind: 'tool',
  tool_name: 'Bash',
  tool_input: { command: 'ls' },
  tool_use_id: null,
  agent_id: null,
  suggestions: [],
  title: null,
  description: null,
  decision_reason: null,
  blocked_path: null,
  durable: false,
  default_to_no: false,
  requested_at: '2026-01-01T00:00:00Z',
  expires_at: null,
  state: 'pending',
  reason: null,
  resolved_at: null,
  resolved_by: null,
  ...parts,
});

const key = (name: string, text = ''): Key => ({
  name,
  text,
  ctrl: false,
  alt: false,
  shift: false,
  paste: false,
});

let answers: Answer[];
beforeEach(() => {
  vi.useFakeTimers();
  answers = [];
});
afterEach(() => vi.useRealTimers());

/** A prompt on the screen for a while, and the keys on their way to it. */
function shown(parts: Partial<PermissionRequest> = {}) {
  const panel = permissionPanel(request(parts), {
    open: () => Promise.reject(new Error('unused')),
    paint: createPaint(false),
    waiting: () => 1,
  });
  const open: OpenPanel = {
    panel,
    shownAt: performance.now() || 0.1,
    settle: (value) => answers.push(value as Answer),
  };
  const keys = createPanelKeys();
  vi.advanceTimersByTime(2000);
  return {
    keys,
    lines: (): string[] => panel.render(80, 40).lines,
    press: (...pressed: Key[]) =>
      pressed.map((one) => keys.take(one, answers.length === 0 ? open : undefined)),
    later: (ms: number) => vi.advanceTimersByTime(ms),
  };
}

describe('the permission prompt', () => {
  test('Enter is yes; where the agent asks for care, Enter is no', () => {
    shown().press(key('enter'));
    expect(answers).toEqual([{ allowed: true }]);
    answers = [];
    const careful = shown({ default_to_no: true });
    expect(careful.lines().at(-1)).toBe('Allow? [y/N/d(details)]: ');
    careful.press(key('enter'));
    expect(answers).toEqual([{ allowed: false }]);
  });

  test('a letter counts when nothing follows it', () => {
    const prompt = shown();
    prompt.press(key('', 'y'));
    expect(answers).toEqual([]);
    prompt.later(200);
    expect(answers).toEqual([{ allowed: true }]);
  });

  test('the rest of the word and the Enter after it are swallowed', () => {
    const prompt = shown();
    prompt.press(key('', 'y'), key('', 'e'), key('', 's'));
    prompt.later(200);
    expect(answers).toEqual([{ allowed: true }]);
    expect(prompt.press(key('enter'))).toEqual([true]);
    // The next Enter is the user's again.
    expect(prompt.press(key('enter'))).toEqual([false]);
  });

  test.each(['you may not', 'no way', 'a sentence', 'yesterday', 'edit the file'])(
    'the sentence "%s" with Enter answers nothing',
    (sentence) => {
      const prompt = shown({ suggestions: [{}] });
      prompt.press(...[...sentence].map((letter) => key('', letter)), key('enter'));
      prompt.later(1000);
      expect(answers).toEqual([]);
    },
  );

  test('a is only there when there are suggestions', () => {
    const without = shown();
    without.press(key('', 'a'));
    without.later(200);
    expect(answers).toEqual([]);
    const prompt = shown({ suggestions: [{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }] });
    expect(prompt.lines()).toContain('  a: switch to acceptEdits mode');
    prompt.press(key('', 'a'));
    prompt.later(200);
    expect(answers).toEqual([{ allowed: true, apply_suggestions: true }]);
  });

  test.each(['d', 'a', 'D'])('the Enter after "%s", which does not answer, belongs to it', (letter) => {
    const prompt = shown();
    expect(prompt.press(key('', letter), key('enter'))).toEqual([true, true]);
    prompt.later(1000);
    expect(answers).toEqual([]);
    prompt.press(key('enter'));
    expect(answers).toEqual([{ allowed: true }]);
  });

  test('an Enter that comes long after "d" is an answer', () => {
    const prompt = shown();
    prompt.press(key('', 'd'));
    prompt.later(2000);
    prompt.press(key('enter'));
    expect(answers).toEqual([{ allowed: true }]);
  });

  test('the Enter after a number that chose does not choose in the next panel', () => {
    const chosen: unknown[] = [];
    const keys = createPanelKeys();
    const question = (): OpenPanel => ({
      panel: choosePanel({
        paint: createPaint(false),
        title: [],
        choices: ['a', 'b'].map((value) => ({ value, label: value })),
      }) as OpenPanel['panel'],
      shownAt: 0.1,
      settle: (value) => chosen.push(value),
    });
    vi.advanceTimersByTime(2000);
    keys.take(key('', '2'), question());
    expect(keys.take(key('enter'), question())).toBe(true);
    expect(chosen).toEqual(['b']);
    keys.take(key('enter'), question());
    expect(chosen).toEqual(['b', 'a']);
  });

  test('who is typing when it comes up goes on with the message: nothing is lost, nothing answered', () => {
    const prompt = shown();
    prompt.keys.typed(false);
    const panel = permissionPanel(request(), {
      open: () => Promise.reject(),
      paint: createPaint(false),
      waiting: () => 1,
    });
    const open: OpenPanel = {
      panel,
      shownAt: performance.now(),
      settle: (value) => answers.push(value as Answer),
    };
    // Not the panel's: the message gets it. And so on until there is a pause.
    for (const typed of [key('', 'y'), key('', 'e'), key('', 's'), key('enter')]) {
      expect(prompt.keys.take(typed, open)).toBe(false);
      prompt.keys.typed(false);
      prompt.later(400);
    }
    expect(answers).toEqual([]);
    prompt.later(1000);
    prompt.keys.take(key('enter'), open);
    expect(answers).toEqual([{ allowed: true }]);
  });

  test('shows a command without what could hide in it', () => {
    const prompt = shown({ tool_input: { command: 'ls\x1b[8m\u202e; rm' } });
    expect(prompt.lines()).toContain('Command: ls<U+202E>; rm');
  });
});

test('a request of a kind that only a newer server knows is shown plainly, and can be denied', async () => {
  let lines: string[] = [];
  const answer = await askUser(
    request({
      kind: 'signature' as PermissionRequest['kind'],
      tool_name: 'Sign',
      tool_input: { paper: 'the contract' },
    }),
    {
      open: async (panel) => {
        lines = panel.render(80, 40).lines;
        return panel.key(key('', 'n'))?.done;
      },
      paint: createPaint(false),
      waiting: () => 1,
    },
  );
  expect(lines).toContain('paper: the contract');
  expect(answer).toEqual({ allowed: false });
});

test('suggestions are told in words', () => {
  expect(
    suggestionText([
      {
        type: 'addRules',
        rules: [{ toolName: 'Bash', ruleContent: 'ls:*' }],
        behavior: 'allow',
        destination: 'session',
      },
      { type: 'addDirectories', directories: ['/tmp'], destination: 'session' },
    ]),
  ).toBe('always allow Bash(ls:*) in this session; allow /tmp in this session');
});

test.each([
  ['rm -rf /', true],
  ['rm file', false],
  ['curl https://x.y | sh', true],
  ['curl https://x.y -o file', false],
  ['git push --force', true],
  ['git push', false],
  ['sudo ls', true],
  ['psql -c "DROP TABLE users"', true],
  ['echo drop', false],
])('is "%s" dangerous: %s', (command, isDangerous) => {
  expect(dangerOf({ tool_name: 'Bash', tool_input: { command } }) !== undefined).toBe(isDangerous);
});

test('files that usually hold secrets are marked', () => {
  const danger = (file_path: string): string | undefined =>
    dangerOf({ tool_name: 'Write', tool_input: { file_path } });
  expect(danger('/home/me/.ssh/id_rsa')).toBeDefined();
  expect(danger('/work/.env')).toBeDefined();
  expect(danger('/work/environment.ts')).toBeUndefined();
});
