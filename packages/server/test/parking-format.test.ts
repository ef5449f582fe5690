/**
 * The agent's own format that lets a call wait without its process (agent/claude/parking.ts), on the real binary. When
 * one of these fails after an update of the SDK, calls must not be parked until parking.ts knows the new format.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Agent, ParkedCall, Question, StartOptions, TranscriptMessage } from '../src/agent/agent.ts';
import { AGENT_VERSION, isParkable, markDeferred } from '../src/agent/claude/parking.ts';
import { findTranscript } from '../src/agent/claude/transcript-file.ts';
import { type AgentPort, openAgentPort, type Running } from './support/agent-port.ts';
import { script } from './support/api.ts';

let port: AgentPort;
let agent: Agent;
beforeAll(async () => {
  port = await openAgentPort();
  agent = port.agent;
});
afterAll(() => port.close());

const start = (options: StartOptions): Promise<Running> => port.start(options);

interface Killed {
  options: StartOptions;
  question: Question;
  parked: ParkedCall;
}

/** A process that asks, and is killed while it waits: at once, or when it has written its transcript (100 ms later). */
async function killWhileAsking(message: string, pauseMs = 0): Promise<Killed> {
  const options = port.optionsIn(port.workFolder());
  const first = await start(options);
  const turnId = crypto.randomUUID();
  first.process.send(turnId, message);
  const { question } = await first.asked();
  await sleep(pauseMs);
  process.kill(first.process.pid ?? 0, 'SIGKILL');
  await first.gone;
  const said = first.messages.filter(({ type }) => type === 'assistant' || type === 'user');
  const prompt = { uuid: turnId, type: 'user', message: { role: 'user', content: message } };
  return {
    options: { ...options, resume: (await transcriptOf(options)) !== '' },
    question,
    parked: {
      turnId,
      toolUseId: question.toolUseId ?? '',
      said: [prompt, ...said] as unknown as TranscriptMessage[],
    },
  };
}

const transcriptOf = async ({ conversationId }: StartOptions): Promise<string> =>
  (await findTranscript(port.library.projects, conversationId)) ?? '';

test.each([
  ['at once, before its transcript is written', 0],
  ['when its transcript is written', 300],
])('a call whose process is killed %s is asked again under its id, and runs once', async (_, pauseMs) => {
  const { options, question, parked } = await killWhileAsking(
    script(
      { tools: [{ name: 'Bash', input: { command: 'echo asked >> ran.txt' } }] },
      { say: 'It said: {{result}}' },
    ),
    pauseMs,
  );
  expect(question.isAlone).toBe(true);
  expect(agent.parkable(parked.toolUseId, parked.said)).toBe(true);
  // A process that is killed while it writes leaves half a line.
  if (options.resume) appendFileSync(await transcriptOf(options), '{"type":"last-pro');

  const second = await start({ ...options, resume: true, parked });
  const { toolUseId } = parked;
  const again = await second.asked();
  expect(again.question).toMatchObject({ toolUseId, toolName: 'Bash', toolInput: question.toolInput });
  // Nothing has run so far, and a third process asks the same: the mark is written once.
  expect(existsSync(join(options.cwd, 'ran.txt'))).toBe(false);
  process.kill(second.process.pid ?? 0, 'SIGKILL');
  await second.gone;
  const third = await start({ ...options, resume: true, parked });
  const { answer } = await third.asked();
  const command = 'echo answered | tee -a ran.txt';
  answer({ allowed: true, updatedInput: { command }, applySuggestions: false });
  expect(await third.ended).toMatchObject({ turnId: parked.turnId, isError: false, ownInitiative: false });
  expect(readFileSync(join(options.cwd, 'ran.txt'), 'utf8')).toBe('answered\n');
  expect(JSON.stringify(third.messages)).toContain('It said: answered');
  expect(third.ownTurns()).toBe(0);
  await third.process.close();
  const transcript = readFileSync(await transcriptOf(options), 'utf8');
  expect(transcript.match(/"hook_deferred_tool"/g)).toHaveLength(1);
  const uuids = [...transcript.matchAll(/,"uuid":"([^"]+)"/g)].map(([, uuid]) => uuid);
  expect(uuids.filter((uuid) => uuid === parked.turnId)).toHaveLength(1);
});

test('a call is asked again after others of its turn that have run, and those do not run again', async () => {
  const { options, parked } = await killWhileAsking(
    script(
      { tools: [{ name: 'Glob', input: { pattern: '*.none' } }] },
      { tools: [{ name: 'Bash', input: { command: 'echo ran >> ran.txt; cat ran.txt' } }] },
      { say: 'It said: {{result}}' },
    ),
  );
  expect(agent.parkable(parked.toolUseId, parked.said)).toBe(true);
  const second = await start({ ...options, resume: true, parked });
  const { answer } = await second.asked();
  answer({ allowed: true, applySuggestions: false });
  await second.ended;
  expect(JSON.stringify(second.messages)).toContain('It said: ran');
  expect(readFileSync(join(options.cwd, 'ran.txt'), 'utf8')).toBe('ran\n');
  await second.process.close();
});

test('a call is asked again although its process was told to end, and answered the call itself', async () => {
  const options = port.optionsIn(port.workFolder());
  const first = await start(options);
  const turnId = crypto.randomUUID();
  const message = script(
    { tools: [{ name: 'Bash', input: { command: 'echo ran >> ran.txt; cat ran.txt' } }] },
    { say: 'It said: {{result}}' },
  );
  first.process.send(turnId, message);
  const { question } = await first.asked();
  const said = first.messages.filter(({ type }) => type === 'assistant' || type === 'user');
  await first.process.close();
  const prompt = { uuid: turnId, type: 'user', message: { role: 'user', content: message } };
  const parked = {
    turnId,
    toolUseId: question.toolUseId ?? '',
    said: [prompt, ...said] as unknown as TranscriptMessage[],
  };
  const second = await start({ ...options, resume: true, parked });
  const { answer } = await second.asked();
  answer({ allowed: true, applySuggestions: false });
  expect(await second.ended).toMatchObject({ turnId, isError: false });
  expect(JSON.stringify(second.messages)).toContain('It said: ran');
  expect(readFileSync(join(options.cwd, 'ran.txt'), 'utf8')).toBe('ran\n');
  await second.process.close();
  const transcript = readFileSync(await transcriptOf(options), 'utf8');
  const uuids = [...transcript.matchAll(/"uuid":"([^"]+)"/g)].map(([, uuid]) => uuid);
  for (const { uuid } of parked.said) expect(uuids.filter((each) => each === uuid)).toHaveLength(1);
});

/** What a process that went on has added to what was said in its turn. */
const more = (running: Running): TranscriptMessage[] =>
  running.messages.filter(
    ({ type }) => type === 'assistant' || type === 'user',
  ) as unknown as TranscriptMessage[];

test('a turn that is parked for a second call goes on from there, and nothing of it is written twice', async () => {
  const { options, parked } = await killWhileAsking(
    script(
      { tools: [{ name: 'Bash', input: { command: 'echo one >> ran.txt' } }] },
      { tools: [{ name: 'Bash', input: { command: 'echo two >> ran.txt' } }] },
      { say: 'It is done' },
    ),
  );
  const second = await start({ ...options, resume: true, parked });
  (await second.asked()).answer({ allowed: true, applySuggestions: false });
  const { question } = await second.asked();
  await sleep(300);
  process.kill(second.process.pid ?? 0, 'SIGKILL');
  await second.gone;
  const said = [...parked.said, ...more(second)];
  const third = await start({
    ...options,
    resume: true,
    parked: { turnId: parked.turnId, toolUseId: question.toolUseId ?? '', said },
  });
  (await third.asked()).answer({ allowed: true, applySuggestions: false });
  await third.ended;
  expect(JSON.stringify(third.messages)).toContain('It is done');
  await third.process.close();
  expect(readFileSync(join(options.cwd, 'ran.txt'), 'utf8')).toBe('one\ntwo\n');
  const transcript = readFileSync(await transcriptOf(options), 'utf8');
  const uuids = [...transcript.matchAll(/"uuid":"([^"]+)"/g)].map(([, uuid]) => uuid);
  for (const { uuid } of said) expect(uuids.filter((each) => each === uuid)).toHaveLength(1);
});

test('a call that was marked, and whose turn has ended, is not gone on with by the next process', async () => {
  const { options, parked } = await killWhileAsking(
    script(
      { tools: [{ name: 'Bash', input: { command: 'echo one >> ran.txt' } }] },
      { tools: [{ name: 'Bash', input: { command: 'echo two >> ran.txt' } }] },
      { say: 'never' },
    ),
    300,
  );
  const second = await start({ ...options, resume: true, parked });
  await second.asked();
  process.kill(second.process.pid ?? 0, 'SIGKILL');
  await second.gone;
  const third = await start({ ...options, resume: true });
  third.process.send(crypto.randomUUID(), 'say hello');
  await third.ended;
  expect(JSON.stringify(third.messages)).toContain('hello');
  expect(third.ownTurns()).toBe(0);
  await third.process.close();
  expect(existsSync(join(options.cwd, 'ran.txt'))).toBe(false);
});

test('a transcript tells which messages the agent has taken: prompts, and those that went into a running turn', async () => {
  const options = port.optionsIn(port.workFolder());
  const { process: agentProcess, ended, asked } = await start(options);
  const [turnId, steering, other] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
  const tools = [{ name: 'Bash', input: { command: 'echo ran >> ran.txt' } }];
  agentProcess.send(turnId, script({ tools }, { say: 'unsteered' }));
  const { answer } = await asked();
  agentProcess.send(steering, 'say steered');
  const taken = (): Promise<string[]> => agent.taken(options.conversationId, [turnId, steering, other]);
  await sleep(300);
  expect(await taken()).toEqual([turnId]);
  answer({ allowed: true, applySuggestions: false });
  await ended;
  await agentProcess.close();
  expect(await taken()).toEqual([turnId, steering]);
});

test('a prompt that the agent took from its queue is not written again when its turn is parked', async () => {
  const options = port.optionsIn(port.workFolder());
  const turnId = crypto.randomUUID();
  const path = join(options.cwd, 'transcript.jsonl');
  const attachment = { type: 'queued_command', prompt: 'do it', source_uuid: turnId };
  const call = { id: 'answer', content: [{ type: 'tool_use', id: 'call', name: 'Bash', input: {} }] };
  const written = [
    { type: 'user', uuid: 'before', message: { content: 'before' } },
    { type: 'attachment', uuid: 'own', attachment },
    { type: 'assistant', uuid: 'said', message: call },
  ];
  writeFileSync(path, written.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  const said = [
    { uuid: turnId, type: 'user', message: { role: 'user', content: 'do it' }, parent_tool_use_id: null },
    { uuid: 'said', type: 'assistant', message: call, parent_tool_use_id: null },
  ] as const;
  await markDeferred(
    path,
    { id: options.conversationId, cwd: options.cwd, permissionMode: 'default' },
    { toolUseId: 'call', said },
  );
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(written.length);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { type: 'attachment', parentUuid: 'said', attachment: { type: 'hook_deferred_tool', toolUseID: 'call' } },
  ]);
});

test('a question that waits is asked again, and its answer reaches the agent', async () => {
  const { options, question, parked } = await killWhileAsking('ask me a question');
  const second = await start({ ...options, resume: true, parked });
  const { question: again, answer } = await second.asked();
  expect(again).toMatchObject({
    toolUseId: parked.toolUseId,
    toolName: 'AskUserQuestion',
    kind: question.kind,
  });
  const { questions } = again.toolInput as {
    questions: { question: string; options: { label: string }[] }[];
  };
  const answers = Object.fromEntries(questions.map((each) => [each.question, each.options[0]?.label]));
  answer({ allowed: true, updatedInput: { ...again.toolInput, answers }, applySuggestions: false });
  expect(await second.ended).toMatchObject({ turnId: parked.turnId, isError: false });
  expect(JSON.stringify(second.messages)).toContain(questions[0]?.options[0]?.label);
  await second.process.close();
});

test('a denial is told to the agent, which goes on', async () => {
  const { options, parked } = await killWhileAsking(
    script(
      { tools: [{ name: 'Bash', input: { command: 'touch ran.txt' } }] },
      { say: 'It said: {{result}}' },
    ),
  );
  const second = await start({ ...options, resume: true, parked });
  const { answer } = await second.asked();
  answer({ allowed: false, message: 'Not on a Sunday.', interrupt: false });
  expect(await second.ended).toMatchObject({ turnId: parked.turnId });
  expect(JSON.stringify(second.messages)).toContain('It said: Not on a Sunday.');
  expect(existsSync(join(options.cwd, 'ran.txt'))).toBe(false);
  await second.process.close();
});

test('calls side by side cannot be parked: the agent would lose all but one', async () => {
  const { question, parked } = await killWhileAsking(
    script(
      { tools: ['one', 'two'].map((name) => ({ name: 'Bash', input: { command: `touch ${name}` } })) },
      { say: 'done' },
    ),
  );
  expect(question.isAlone).toBe(false);
  expect(agent.parkable(parked.toolUseId, parked.said)).toBe(false);
});

test('what the server told before a message that never had its call answered is not asked again', async () => {
  const { options } = await killWhileAsking(
    script({ tools: [{ name: 'Bash', input: { command: 'touch ran.txt' } }] }, { say: 'done' }),
    300,
  );
  const second = await start(options);
  second.process.send(crypto.randomUUID(), 'say hello');
  await second.ended;
  expect(JSON.stringify(second.messages)).toContain('hello');
  expect(existsSync(join(options.cwd, 'ran.txt'))).toBe(false);
  await second.process.close();
});

test('an unknown version of the agent parks nothing', () => {
  const said = [
    { type: 'user', message: {} },
    { type: 'assistant', message: { id: 'a', content: [{ type: 'tool_use', id: 'call' }] } },
  ] as const;
  expect(isParkable(AGENT_VERSION, 'call', said)).toBe(true);
  expect(isParkable('2.2.0', 'call', said)).toBe(false);
  expect(isParkable(AGENT_VERSION, 'other', said)).toBe(false);
  expect(isParkable(AGENT_VERSION, 'call', [...said, { type: 'user', message: {} }])).toBe(false);
});
