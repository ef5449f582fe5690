import { describe, expect, it } from 'vitest';
import { fillIn, readInlineScript } from './script.ts';

describe('a script in a prompt', () => {
  it('is read from its own line, whatever stands around it', () => {
    const prompt = 'Please do this.\nscript: [{"say":"hi"}]\nThank you.';
    expect(readInlineScript(prompt)).toEqual({ found: true, steps: [{ say: 'hi' }] });
  });

  it('may go on over more lines', () => {
    const prompt = 'Script:\n[\n  {"tools": [{"name": "Read"}]},\n  {"say": "done"}\n]';
    expect(readInlineScript(prompt)).toEqual({
      found: true,
      steps: [{ tools: [{ name: 'Read', input: {} }] }, { say: 'done' }],
    });
  });

  it('is not looked for in the middle of a line', () => {
    expect(readInlineScript('my script: [] is short')).toEqual({ found: false });
  });

  it('takes every part of a step', () => {
    const step = {
      thinking: 'hm',
      say: 'x',
      tools: [{ name: 'Bash', input: { command: 'ls' } }],
      hold: 'gate',
      delay_ms: 5,
      word_delay_ms: 1,
      error: { status: 529, type: 'overloaded_error', message: 'm', retry_after: 1, times: 2 },
      cut: { after: 3, times: 1 },
      stop_reason: 'max_tokens',
      usage: {
        input_tokens: 1,
        output_tokens: 2,
        cache_read_input_tokens: 3,
        cache_creation_input_tokens: 4,
      },
    };
    expect(readInlineScript(`script: ${JSON.stringify([step])}`)).toEqual({ found: true, steps: [step] });
  });

  it.each([
    ['script: [{"say":"x"},]', /is not JSON: .*Unexpected token/],
    ['script: {"say":"x"}', /expected array/],
    ['script: []', /Too small/],
    ['script: [{"say":"x"},{"tell":"x"}]', /step 1: Unrecognized key: "tell"/],
    ['script: [{"tools":[{"input":{}}]}]', /step 0\.tools\.0\.name: .*expected string/],
    ['script: [{"error":{"status":200}}]', /step 0\.error\.status: Too small/],
  ])('says what is wrong with %s', (prompt, problem) => {
    expect(readInlineScript(prompt)).toEqual({ found: true, problem: expect.stringMatching(problem) });
  });
});

describe('placeholders', () => {
  it('are filled with the prompt and the results, others stay', () => {
    const values = { prompt: 'P', results: ['one', '$&'] };
    expect(fillIn('{{prompt}}: {{result}} / {{results}} {{other}}', values)).toBe(
      'P: one / one\n$& {{other}}',
    );
    expect(fillIn('[{{result}}]', { prompt: '', results: [] })).toBe('[]');
  });
});
