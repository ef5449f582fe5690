import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type MessagesRequest, readConversation } from './conversation.ts';

/** Requests captured from Claude Code 2.1.330, shortened; texts that a human typed are whole. */
function captured(name: string): MessagesRequest {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8'));
}

const readCaptured = (name: string) => readConversation(captured(name));

describe('what Claude Code sends', () => {
  it.each(['first-prompt', 'first-prompt-known-model'])(
    'finds the prompt among the reminders of %s',
    (name) => {
      const seen = readCaptured(name);
      expect(seen).toMatchObject({ wanted: 'prompt', step: 0, calls: [], answered: [] });
      expect(seen.prompts).toHaveLength(1);
      expect(seen.prompt).toMatch(/^\{\{TOOL .*\}\}$/);
      expect(seen.tools.has('AskUserQuestion')).toBe(true);
    },
  );

  it('takes the task of a subagent as its prompt', () => {
    expect(readCaptured('subagent')).toMatchObject({
      wanted: 'prompt',
      prompt: 'list the files please',
      step: 0,
    });
  });

  it.each(['queued-message', 'queued-message-known-model'])(
    'takes up a message typed while a tool ran (%s)',
    (name) => {
      expect(readCaptured(name)).toMatchObject({
        prompt: 'queued message here',
        step: 0,
        calls: [],
        answered: [],
      });
    },
  );

  it('answers the prompt after an interrupt, not the interrupt', () => {
    const seen = readCaptured('after-interrupt');
    expect(seen).toMatchObject({ wanted: 'prompt', prompt: 'next prompt', step: 0, answered: [] });
    expect(seen.prompts).toHaveLength(2);
  });

  it('keeps a prompt that failed apart from the one after it, though both come in one message', () => {
    const seen = readCaptured('after-failure');
    expect(seen.prompts.slice(1)).toEqual(['next prompt', 'boom', 'after boom']);
    expect(seen).toMatchObject({ prompt: 'after boom', step: 0 });
  });

  it('knows a request to summarise the conversation', () => {
    const seen = readCaptured('compaction-request');
    expect(seen.wanted).toBe('summary');
    expect(seen.prompts).toHaveLength(3);
    expect(seen.prompts[1]).toBe('again');
  });

  it('goes on after a compaction: the summary and the local command are no prompts', () => {
    const seen = readCaptured('after-compaction');
    expect(seen).toMatchObject({ wanted: 'prompt', prompt: 'after', prompts: ['after'], step: 0 });
    expect(seen.summary).toContain('ok done');
  });

  it('tells the end of a background task from a prompt', () => {
    const seen = readCaptured('task-notification');
    expect(seen).toMatchObject({ wanted: 'notification', notice: 'Agent "d" finished: ok done', step: 0 });
    expect(seen.prompts).toHaveLength(1);
  });

  it('reads on over the note that a tool was loaded', () => {
    const seen = readCaptured('plan-mode-tool-loaded');
    expect(seen.step).toBe(1);
    expect(seen.answered).toMatchObject([{ name: 'ToolSearch', step: 0, result: { text: 'ExitPlanMode' } }]);
  });

  it('counts a step whose answer Claude Code threw away because it was thinking alone', () => {
    const seen = readCaptured('no-visible-output');
    expect(seen.prompt).toBe('script: [{"thinking":"only thinking"}]');
    expect(seen.step).toBe(1);
  });

  it('takes an image without words for a prompt', () => {
    expect(readCaptured('image-only')).toMatchObject({
      wanted: 'prompt',
      prompt: '',
      prompts: [''],
      attachments: 1,
    });
  });
});

describe('steps and results', () => {
  const request = (messages: MessagesRequest['messages']): MessagesRequest => ({ model: 'demo', messages });
  const use = (id: string, name = 'Bash') => ({ type: 'tool_use', id, name, input: { n: id } });
  const result = (id: string, content: unknown, is_error = false) => ({
    type: 'tool_result',
    tool_use_id: id,
    content,
    is_error,
  });

  it('counts one step for each answer since the prompt and joins calls with results', () => {
    const seen = readConversation(
      request([
        { role: 'user', content: 'old' },
        { role: 'assistant', content: [use('t0')] },
        { role: 'user', content: [result('t0', 'zero')] },
        { role: 'assistant', content: 'done' },
        { role: 'user', content: 'new' },
        { role: 'assistant', content: [use('t1'), use('t2', 'Read')] },
        { role: 'user', content: [result('t2', [{ type: 'text', text: 'two' }]), result('t1', 'one', true)] },
        { role: 'assistant', content: [use('t3')] },
        { role: 'user', content: [result('t3', 'User denied this', true)] },
      ]),
    );
    expect(seen.step).toBe(2);
    expect(seen.calls).toEqual([
      {
        step: 0,
        id: 't1',
        name: 'Bash',
        input: { n: 't1' },
        result: { text: 'one', isError: true, isDenied: false },
      },
      {
        step: 0,
        id: 't2',
        name: 'Read',
        input: { n: 't2' },
        result: { text: 'two', isError: false, isDenied: false },
      },
      {
        step: 1,
        id: 't3',
        name: 'Bash',
        input: { n: 't3' },
        result: { text: 'User denied this', isError: true, isDenied: true },
      },
    ]);
    expect(seen.answered.map(({ id }) => id)).toEqual(['t3']);
  });

  it('counts an answer that comes in two messages as one step', () => {
    const seen = readConversation(
      request([
        { role: 'user', content: 'go' },
        { role: 'assistant', content: [{ type: 'text', text: 'first' }] },
        { role: 'system', content: 'a note' },
        { role: 'assistant', content: [use('t1')] },
        { role: 'user', content: [result('t1', 'x')] },
      ]),
    );
    expect(seen.step).toBe(1);
  });

  it('takes reminders out of tool results', () => {
    const text = 'hi\n\n<system-reminder>\n5 tokens left\n</system-reminder>';
    const seen = readConversation(
      request([
        { role: 'user', content: 'go' },
        { role: 'assistant', content: [use('t1')] },
        { role: 'user', content: [result('t1', text)] },
      ]),
    );
    expect(seen.answered[0]?.result?.text).toBe('hi');
  });

  it('forgets the attachments of an earlier prompt, but not while its tools run', () => {
    const image = { type: 'image', source: { type: 'url', url: 'https://example.com/x.png' } };
    const asked: MessagesRequest['messages'] = [
      { role: 'user', content: [image, { type: 'text', text: 'look' }] },
    ];
    const running: MessagesRequest['messages'] = [
      ...asked,
      { role: 'assistant', content: [use('t1')] },
      { role: 'user', content: [result('t1', 'x')] },
    ];
    expect(readConversation(request(running)).attachments).toBe(1);
    const next: MessagesRequest['messages'] = [
      ...running,
      { role: 'assistant', content: 'ok' },
      { role: 'user', content: 'and now' },
    ];
    expect(readConversation(request(next)).attachments).toBe(0);
  });
});
