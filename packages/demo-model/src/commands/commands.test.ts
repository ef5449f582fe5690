import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createDemoModel } from '../model.ts';

interface Call {
  name: string;
  input: Record<string, unknown>;
}
type Result = string | { content: unknown; is_error?: boolean };
interface Agent {
  /** What a tool gives back. */
  run?: (call: Call, index: number) => Result;
  tools?: string[];
  notes?: string;
  earlier?: unknown[];
  more?: Record<string, unknown>;
}

const TOOLS = ['Agent', 'AskUserQuestion', 'Bash', 'Edit', 'Read', 'ToolSearch', 'Write'];
const NOTES = '# Environment\n - Primary working directory: /home/user/project\n - Platform: linux';

/** Plays the agent's part of one turn: runs the tools that the model asks for until it answers in words alone. */
async function turn(prompt: string, agent: Agent = {}) {
  const { run = () => 'ok', tools = TOOLS, notes = NOTES, earlier = [], more = {} } = agent;
  const model = createDemoModel();
  const messages: unknown[] = [
    ...earlier,
    { role: 'user', content: prompt },
    { role: 'system', content: notes },
  ];
  const offered = [...tools];
  const calls: Call[] = [];
  const said: string[] = [];
  for (let round = 0; round < 10; round += 1) {
    const body = {
      model: 'demo',
      max_tokens: 9,
      messages,
      tools: offered.map((name) => ({ name })),
      ...more,
    };
    const response = await model.fetch(
      new Request('http://demo/v1/messages', { method: 'POST', body: JSON.stringify(body) }),
    );
    const answer = await response.json();
    if (response.status !== 200)
      return { calls, said, status: response.status, error: answer.error, last: '', answer };
    const results: unknown[] = [];
    for (const block of answer.content) {
      if (block.type === 'text') said.push(block.text);
      if (block.type !== 'tool_use') continue;
      calls.push({ name: block.name, input: block.input });
      if (block.name === 'ToolSearch') offered.push(String(block.input.query).replace('select:', ''));
      const result = run({ name: block.name, input: block.input }, calls.length - 1);
      const fields = typeof result === 'string' ? { content: result } : result;
      results.push({ type: 'tool_result', tool_use_id: block.id, ...fields });
    }
    messages.push({ role: 'assistant', content: answer.content });
    if (results.length === 0)
      return { calls, said, status: 200, error: undefined, last: said.at(-1) ?? '', answer };
    messages.push({ role: 'user', content: results });
  }
  throw new Error('the turn does not end');
}

describe('files', () => {
  it.each([
    ['list files', 'ls'],
    ['LS', 'ls'],
    ['Please list the files here.', 'ls'],
    ['show me all the files in "my docs"', "ls 'my docs'"],
    ['list files in src/demo', 'ls src/demo'],
    ['could you list the files in the src directory?', 'ls src'],
  ])('%s', async (prompt, command) => {
    const { calls, last } = await turn(prompt, { run: () => 'a.txt\nb.txt' });
    expect(calls).toMatchObject([{ name: 'Bash', input: { command } }]);
    expect(last).toContain('a.txt\nb.txt');
  });

  it('are looked for with Glob where there is no Bash', async () => {
    const { calls } = await turn('list files in src', { tools: ['Glob'] });
    expect(calls).toEqual([{ name: 'Glob', input: { pattern: '*', path: '/home/user/project/src' } }]);
  });

  it.each([
    ['read notes.txt', '/home/user/project/notes.txt'],
    ['Please read the file notes.txt.', '/home/user/project/notes.txt'],
    ['show me the contents of `../a b.txt`', '/home/user/a b.txt'],
    ['cat /etc/hosts', '/etc/hosts'],
    ['Read the README.md file', '/home/user/project/README.md'],
  ])('%s', async (prompt, file_path) => {
    const { calls, last } = await turn(prompt, { run: () => '1\tone\n2\t22\n3\t' });
    expect(calls).toEqual([{ name: 'Read', input: { file_path } }]);
    expect(last).toMatch(/holds:\none\n22$/);
  });

  it('are found below the directory that a reminder names', async () => {
    const notes = 'nothing here';
    const earlier = [
      { role: 'user', content: '<system-reminder>\nWorking directory: C:\\work\n</system-reminder>' },
    ];
    const { calls } = await turn('read a.txt', { notes, earlier });
    expect(calls[0]?.input.file_path).toBe('C:\\work\\a.txt');
  });

  it.each([
    ['write a.txt with hello there', 'a.txt', 'hello there'],
    ['Write the file a.txt: hello there.', 'a.txt', 'hello there.'],
    ['create a new file called `a.txt` containing the text "hello there"', 'a.txt', 'hello there'],
    ['write hello there to a.txt', 'a.txt', 'hello there'],
    ['Create a test.txt file with hello there', 'test.txt', 'hello there'],
    ["Create a test.txt file with the content 'hello there'", 'test.txt', 'hello there'],
    ['write a.txt with\nline 1\nline 2', 'a.txt', 'line 1\nline 2'],
  ])('%s', async (prompt, name, content) => {
    const { calls, last } = await turn(prompt);
    expect(calls).toEqual([{ name: 'Write', input: { file_path: `/home/user/project/${name}`, content } }]);
    expect(last).toBe(`I wrote ${content.length} characters to ${name}.`);
  });

  it('that are there already are read before they are written', async () => {
    const refusal = {
      content:
        '<tool_use_error>File has not been read yet. Read it first before writing to it.</tool_use_error>',
      is_error: true,
    };
    const { calls, last } = await turn('write a.txt with hi', {
      run: (_, index) => (index === 0 ? refusal : 'ok'),
    });
    expect(calls.map(({ name }) => name)).toEqual(['Write', 'Read', 'Write']);
    expect(last).toBe('I wrote 2 characters to a.txt.');
  });

  it.each([
    ['edit a.txt: replace one with two', 'one', 'two'],
    ['Change the file a.txt, replacing `one` by `two`', 'one', 'two'],
    ['replace "one way" with "two ways" in a.txt', 'one way', 'two ways'],
  ])('%s', async (prompt, old_string, new_string) => {
    const { calls, last } = await turn(prompt);
    const file_path = '/home/user/project/a.txt';
    expect(calls).toEqual([
      { name: 'Read', input: { file_path } },
      { name: 'Edit', input: { file_path, old_string, new_string } },
    ]);
    expect(last).toContain(`"${old_string}" is now "${new_string}"`);
  });

  it('that cannot be read are not edited', async () => {
    const { calls, last } = await turn('edit a.txt: replace b with c', {
      run: () => ({ content: 'File does not exist.', is_error: true }),
    });
    expect(calls).toHaveLength(1);
    expect(last).toBe('Read did not work: File does not exist.');
  });
});

describe('commands', () => {
  it.each([
    ['run npm test', 'npm test'],
    ['$ echo "a.b."', 'echo "a.b."'],
    ['execute the command `ls -l | wc`', 'ls -l | wc'],
  ])('%s', async (prompt, command) => {
    const { calls, last } = await turn(prompt, { run: () => 'out' });
    expect(calls).toMatchObject([{ name: 'Bash', input: { command } }]);
    expect(last).toBe('It printed:\nout');
  });

  it('say so when they were refused', async () => {
    const { last } = await turn('run rm x', {
      run: () => ({ content: 'The user denied this.', is_error: true }),
    });
    expect(last).toBe('Bash was not allowed: The user denied this.');
  });

  it('say so when the tool is missing', async () => {
    const { calls, last } = await turn('run ls', { tools: ['Read'] });
    expect(calls).toEqual([]);
    expect(last).toContain('Bash');
    expect(last).toContain('not among the tools');
  });

  it('run several at once', async () => {
    const { calls, said } = await turn('do three things at once', {
      run: (_, index) => (index === 1 ? { content: 'denied', is_error: true } : `r${index}`),
    });
    expect(calls).toHaveLength(3);
    expect(said).toEqual([
      'I start 3 things in one answer.',
      'All 3 came back:\n- r0\n- Bash was not allowed: denied\n- r2',
    ]);
  });
});

describe('people and agents', () => {
  it('are asked two questions and the answer is reported', async () => {
    const { calls, last } = await turn('Ask me a question, please!', { run: () => 'User answered: Red' });
    expect(calls).toHaveLength(1);
    expect(calls[0]?.input.questions).toHaveLength(2);
    expect(last).toBe('Thank you. User answered: Red');
  });

  const planNotes = `${NOTES}\n\nPlan mode is active.\n\nYou should create your plan at /home/user/.claude/plans/x.md using the Write tool.\n\nThe following deferred tools are now available via ToolSearch. Load them first:\nCronCreate\nExitPlanMode\n`;

  it('approve a plan, which is then carried out', async () => {
    const { calls, last } = await turn('plan to write a.txt with hi', { notes: planNotes });
    expect(calls).toMatchObject([
      { name: 'Write', input: { file_path: '/home/user/.claude/plans/x.md' } },
      { name: 'ToolSearch', input: { query: 'select:ExitPlanMode' } },
      { name: 'ExitPlanMode' },
      { name: 'Write', input: { file_path: '/home/user/project/a.txt', content: 'hi' } },
    ]);
    expect(last).toBe('I wrote 2 characters to a.txt.');
  });

  it('may refuse a plan', async () => {
    const run = ({ name }: Call) =>
      name === 'ExitPlanMode' ? { content: 'Not like this.', is_error: true } : 'ok';
    const { calls, last } = await turn('plan: write a.txt with hi', { notes: planNotes, run });
    expect(calls.at(-1)?.name).toBe('ExitPlanMode');
    expect(last).toBe('The plan was not approved. Not like this.');
  });

  it('are told that a plan needs plan mode', async () => {
    expect((await turn('plan the work', { notes: `${planNotes}\n## Exited Plan Mode` })).last).toContain(
      'only',
    );
    expect((await turn('plan the work')).calls).toEqual([]);
  });

  it.each([
    ['start a subagent to read a.txt', 'read a.txt', 1, false],
    ['run a subagent, please.', 'list files', 1, false],
    ['start a subagent to explore the code', 'list files', 1, false],
    ['launch two agents: say hi', 'say hi', 2, false],
    ['start a subagent in the background to list files', 'list files', 1, true],
  ])('%s', async (prompt, task, count, background) => {
    const report =
      '[Subagent hand-back] Frame. The report follows:\n  line 1\n  line 2\nagentId: a1\n<usage>x</usage>';
    const { calls, last } = await turn(prompt, { run: () => report });
    expect(calls).toHaveLength(count);
    expect(calls[0]).toMatchObject({
      name: 'Agent',
      input: { prompt: task, subagent_type: 'general-purpose', run_in_background: background },
    });
    expect(last).toMatch(background ? /in the background/ : /^The subagent reports:\nline 1\nline 2/);
    expect(last).not.toContain('agentId');
  });

  it('start a subagent with the older name of the tool', async () => {
    expect((await turn('start a subagent', { tools: ['Task'] })).calls[0]?.name).toBe('Task');
  });
});

describe('talk', () => {
  it.each([
    ['say Hello there.', 'Hello there.'],
    ['count to five', '1 2 3 4 5'],
    ['Count slowly up to 3', '1 2 3'],
    ['tell me a story about ducks', /^This is a story about ducks\./],
    ['wait 0 seconds', 'That was 0 seconds.'],
    ['fail with 200', /no error status/],
  ])('%s', async (prompt, text) => {
    const { calls, last } = await turn(prompt);
    expect(calls).toEqual([]);
    if (typeof text === 'string') expect(last).toBe(text);
    else expect(last).toMatch(text);
  });

  it('thinks before it answers', async () => {
    const { answer } = await turn('think about the sea');
    expect(answer.content).toMatchObject([
      { type: 'thinking', thinking: expect.stringContaining('the sea') },
      { type: 'text' },
    ]);
  });

  it.each([
    ['fail', 400, 'invalid_request_error'],
    ['fail with status 503', 503, 'api_error'],
    ['Fail with a 429 error twice!', 429, 'rate_limit_error'],
  ])('%s', async (prompt, status, type) => {
    expect(await turn(prompt)).toMatchObject({ status, error: { type } });
  });

  it('remembers what was said', async () => {
    const earlier = [
      { role: 'user', content: 'say one' },
      { role: 'assistant', content: 'one' },
      { role: 'user', content: [{ type: 'text', text: '[Request interrupted by user]' }] },
      { role: 'user', content: 'list files' },
      { role: 'assistant', content: 'none' },
    ];
    expect((await turn('What did I say?', { earlier })).last).toBe(
      'You said, in this order:\n1. say one\n2. list files',
    );
    expect((await turn('what did I say')).last).toContain('first thing');
  });

  it('remembers across two compactions', async () => {
    const summaryRequest = 'CRITICAL. Your task is to create a detailed summary of the conversation so far.';
    const opening = (summary: string) => ({
      role: 'user',
      content: `This session is being continued from a previous conversation.\n${summary}`,
    });
    const first = await turn(summaryRequest, {
      earlier: [
        { role: 'user', content: 'say "one"' },
        { role: 'assistant', content: 'one' },
      ],
    });
    expect(first.last).toMatch(/^<analysis>[\s\S]*<\/analysis>\n<summary>[\s\S]*<\/summary>$/);
    const second = await turn(summaryRequest, {
      earlier: [opening(first.last), { role: 'user', content: 'say two' }],
    });
    const { last } = await turn('what did I say', { earlier: [opening(second.last)] });
    expect(last).toBe('You said, in this order:\n1. say "one"\n2. say two');
  });

  it.each(['help', 'hello', 'do my taxes'])('explains itself when asked "%s"', async (prompt) => {
    const { last } = await turn(prompt);
    expect(last).toContain('scripted demo');
    for (const usage of ['list files', 'edit FILE', 'what did I say', 'script:'])
      expect(last).toContain(usage);
  });
});

describe('what no human asked', () => {
  const fixture = (name: string) =>
    JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'));
  const answerTo = async (body: unknown) => {
    const response = await createDemoModel().fetch(
      new Request('http://demo/v1/messages', { method: 'POST', body: JSON.stringify(body) }),
    );
    return (await response.json()).content;
  };

  it('a title for the session is given as the JSON asked for', async () => {
    const [{ text }] = await answerTo({ ...fixture('session-title'), stream: false });
    expect(JSON.parse(text)).toEqual({ title: 'Hello, please fix the login bug in my app' });
  });

  it('news of a background task is passed on', async () => {
    const content = await answerTo({ ...fixture('task-notification'), stream: false });
    expect(content).toEqual([
      { type: 'text', text: 'A background task has news: Agent "d" finished: ok done' },
    ]);
  });

  it('JSON of a schema is delivered with the last answer, once', async () => {
    const schema = {
      type: 'object',
      properties: {
        answer: { type: 'string' },
        n: { type: 'integer', minimum: 3 },
        kind: { enum: ['a', 'b'] },
        list: { type: 'array', items: {}, minItems: 1 },
      },
      required: ['answer', 'n', 'kind', 'list'],
    };
    const { calls } = await turn('say hi', {
      more: { tools: [{ name: 'StructuredOutput', input_schema: schema }] },
    });
    expect(calls).toEqual([
      { name: 'StructuredOutput', input: { answer: 'hi', n: 3, kind: 'a', list: [{}] } },
    ]);
  });
});

describe('sums', () => {
  it.each([
    ['What is 2 + 2?', '2 + 2 = 4'],
    ['what is 2+2', '2+2 = 4'],
    ["What's (1 + 2) * 3 / -4?", '(1 + 2) * 3 / -4 = -2.25'],
    ['calculate 0.1 + 0.2', '0.1 + 0.2 = 0.3'],
  ])('%s', async (prompt, answer) => {
    expect((await turn(prompt)).last).toBe(answer);
  });

  it.each(['what is 2 +', 'what is 1/0', 'what is (((', 'what is 7'])('%s is none', async (prompt) => {
    expect((await turn(prompt)).last).toContain('none of my commands');
  });
});

it('Run ls -la command', async () => {
  const { calls } = await turn('Run ls -la command');
  expect(calls).toMatchObject([{ name: 'Bash', input: { command: 'ls -la' } }]);
});
