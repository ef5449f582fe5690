import { PassThrough } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import { afterEach, expect, test, vi } from 'vitest';
import type { Panel } from './panels.ts';
import { createPrompt } from './prompt.ts';
import { createPaint } from './style.ts';
import { createUi, type Ui } from './ui.ts';

let ui: Ui | undefined;
afterEach(() => {
  ui?.close();
  vi.useRealTimers();
});

function startUi() {
  const paint = createPaint(false);
  const stdin = Object.assign(new PassThrough(), { setRawMode: () => undefined });
  const stdout = Object.assign(new PassThrough(), { columns: 80, rows: 24 });
  const submitted: string[] = [];
  const history = { add: () => undefined, older: () => undefined, newer: () => undefined };
  const prompt = createPrompt({
    paint,
    history,
    complete: async () => undefined,
    onChange: () => undefined,
  });
  ui = createUi({
    stdin: stdin as unknown as ReadStream,
    stdout: stdout as unknown as WriteStream,
    paint,
    prompt,
    above: () => [],
    below: () => [],
    placeholder: () => '',
    onSubmit: (text) => submitted.push(text),
    onKey: () => undefined,
  });
  ui.start();
  return { ui, prompt, submitted, type: (text: string) => stdin.emit('data', Buffer.from(text)) };
}

const yesPanel: Panel<string> = {
  letters: 'y',
  render: () => ({ lines: ['Allow?'], cursor: undefined }),
  key: (key) => (key.text === 'y' ? { done: 'yes', rest: 'es' } : undefined),
};

test('a prompt answered elsewhere while its letter is held leaves the next prompt alone', async () => {
  vi.useFakeTimers();
  const { ui, type } = startUi();
  const elsewhere = new AbortController();
  const first = ui.open(yesPanel, elsewhere.signal);
  let answer: unknown = 'none';
  void ui.open(yesPanel).then((value) => {
    answer = value;
  });
  await vi.advanceTimersByTimeAsync(2000);
  type('y');
  elsewhere.abort();
  expect(await first).toBeUndefined();
  await vi.advanceTimersByTimeAsync(2000);
  expect(ui.busy).toBe(true);
  type('y');
  await vi.advanceTimersByTimeAsync(2000);
  expect({ answer, busy: ui.busy }).toEqual({ answer: 'yes', busy: false });
});

test('lines typed before the program was ready are each entered; a line feed later is a new line', () => {
  const { prompt, submitted, type } = startUi();
  // What a terminal hands over that was not in raw mode when the keys were pressed.
  type('say one\nsay two\nsay th');
  expect({ submitted, draft: prompt.text }).toEqual({ submitted: ['say one', 'say two'], draft: 'say th' });
  type('ree\nfour');
  expect(prompt.text).toBe('say three\nfour');
});

test('Escape does not swallow the key that is pressed right after it', async () => {
  const { prompt, type } = startUi();
  type('\x1b');
  // Node's decoder has a timer that cannot be faked; whose time comes first is sure all the same.
  await new Promise((resolve) => setTimeout(resolve, 250));
  type('/');
  expect(prompt.text).toBe('/');
});

test('a panel that comes up while a message is written takes nothing of it', async () => {
  vi.useFakeTimers();
  const { ui, prompt, type } = startUi();
  await vi.advanceTimersByTimeAsync(1000);
  type('please ');
  const answer = ui.open(yesPanel);
  for (const letter of 'yes') {
    type(letter);
    await vi.advanceTimersByTimeAsync(300);
  }
  expect(prompt.text).toBe('please yes');
  await vi.advanceTimersByTimeAsync(1000);
  type('y');
  await vi.advanceTimersByTimeAsync(1000);
  expect(await answer).toBe('yes');
  expect(prompt.text).toBe('please yes');
});
