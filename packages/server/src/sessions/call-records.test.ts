import { expect, test, vi } from 'vitest';
import { createCallRecords } from './call-records.ts';

const announcing = (...ids: string[]) => ({
  type: 'assistant',
  message: { content: [{ type: 'text', text: 'x' }, ...ids.map((id) => ({ type: 'tool_use', id }))] },
});

/** Commits only when it is told to. */
function records() {
  const waiting: (() => void)[] = [];
  const made = createCallRecords((show) => void waiting.push(show));
  const settled: string[] = [];
  return {
    ...made,
    settled,
    wait(id: string): Promise<void> {
      return made.written(id).then(() => void settled.push(id));
    },
    commit(): void {
      for (const show of waiting.splice(0)) show();
    },
  };
}

test('a call that was announced waits for the commit', async () => {
  const { see, wait, commit, settled } = records();
  see(announcing('a'));
  const written = wait('a');
  await Promise.resolve();
  expect(settled).toEqual([]);
  commit();
  await written;
});

test('a call that is heard of first waits for the message that announces it', async () => {
  const { see, wait, commit, settled } = records();
  const written = wait('a');
  commit();
  await Promise.resolve();
  expect(settled).toEqual([]);
  see(announcing('b', 'a'));
  await vi.waitFor(() => {
    commit();
    expect(settled).toEqual(['a']);
  });
  await written;
});

test('a call that nobody announces does not wait for ever', async () => {
  vi.useFakeTimers();
  try {
    const { see, wait, commit, settled } = records();
    see({ type: 'assistant', message: { content: 'text' } });
    const written = wait('a');
    await vi.advanceTimersByTimeAsync(2_000);
    commit();
    await written;
    expect(settled).toEqual(['a']);
  } finally {
    vi.useRealTimers();
  }
});
