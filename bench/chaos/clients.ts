/** The load of a chaos bench: clients that talk, ask, approve, queue, steer and retry, whatever happens to the server. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PermissionRequest, TurnResult } from 'claude-agent-protocol';
import { script } from '../../packages/server/test/support/api.ts';
import type { Random } from '../../packages/server/test/support/random.ts';
import type { Caller } from './caller.ts';
import type { Journal, SentMessage } from './journal.ts';

/** What happens in a session. */
export type Role =
  /** Calls that nobody is asked for, one message after the other. */
  | 'worker'
  /** Each call waits for a permission, in a live process. */
  | 'asker'
  /** The same, and the process is let go soon. */
  | 'parker'
  /** Questions to the user, then a call. */
  | 'questioner'
  /** Plans to approve, then their call. */
  | 'planner'
  /** Three messages at once. */
  | 'queuer'
  /** A message, and others for its turn. */
  | 'steerer'
  /** A worker whose turns go on after a crash. */
  | 'resumer';

const OPTIONS: Record<Role, Record<string, unknown>> = {
  worker: { allowed_tools: ['Bash'] },
  asker: {},
  parker: { park_after_seconds: 0.3 },
  questioner: { allowed_tools: ['Bash'] },
  planner: { permission_mode: 'plan' },
  queuer: { allowed_tools: ['Bash'] },
  steerer: { allowed_tools: ['Bash'] },
  resumer: { allowed_tools: ['Bash'], on_crash: 'resume' },
};

/** Twenty sessions. */
export const CAST: readonly Role[] = [
  ...Array<Role>(4).fill('worker'),
  ...Array<Role>(3).fill('asker'),
  ...Array<Role>(3).fill('parker'),
  ...Array<Role>(2).fill('questioner'),
  'planner',
  ...Array<Role>(3).fill('queuer'),
  ...Array<Role>(2).fill('steerer'),
  ...Array<Role>(2).fill('resumer'),
];

export interface LoadDeps {
  call: Caller;
  journal: Journal;
  random: Random;
  /** No new messages from now on; what was sent is still waited for. */
  isOver(): boolean;
  /** The bench has ended, whatever is open. */
  signal: AbortSignal;
}

/** Keeps a session of this role at work; settles when everything that it sent has its result. */
export async function runClient(deps: LoadDeps, sessionId: string, role: Role, file: string): Promise<void> {
  const { journal, random, isOver, signal } = deps;
  let count = 0;
  const send = (text: (tag: string) => string, whenBusy: SentMessage['whenBusy'] = 'queue'): SentMessage => {
    count += 1;
    const tag = `${file.replace(/\W/g, '')}n${count}n`;
    const message: SentMessage = {
      sessionId,
      tag,
      key: randomUUID(),
      text: text(tag),
      whenBusy,
      acknowledged: new Set(),
      results: new Map(),
    };
    journal.messages.push(message);
    return message;
  };
  const next = (whenBusy: SentMessage['whenBusy'] = 'queue'): SentMessage =>
    send((tag) => textFor(role, tag, file, random), whenBusy);

  while (!isOver()) {
    await sleep(random.below(400), undefined, { signal }).catch(() => {});
    if (role === 'planner') {
      const body = { mode: 'plan' };
      await deps.call('setPermissionMode', { params: { session_id: sessionId }, body });
    }
    if (role === 'queuer') {
      const messages = [next(), next(), next()];
      for (const message of messages) await deliver(deps, message, { waits: false });
      await Promise.all(messages.map((message) => deliver(deps, message, { waits: true })));
    } else if (role === 'steerer') {
      const first = next();
      await deliver(deps, first, { waits: false });
      const others: SentMessage[] = [];
      for (let n = random.below(3); n > 0; n--) {
        await sleep(random.below(600));
        const other = next('steer');
        others.push(other);
        await deliver(deps, other, { waits: false });
      }
      await Promise.all([first, ...others].map((message) => deliver(deps, message, { waits: true })));
    } else {
      const message = next();
      // Some clients wait from the beginning, others ask later.
      if (random.below(2) === 0) await deliver(deps, message, { waits: false });
      await deliver(deps, message, { waits: true });
    }
  }
}

/** Creates a session; an answer that was lost leaves one that nobody uses. */
export async function openSession(
  { call, journal }: LoadDeps,
  role: Role,
  file: string,
): Promise<string | undefined> {
  const body = { title: `${role} ${file}`, start: 'lazy', ...OPTIONS[role] };
  const id: string | undefined = (await call('createSession', { body }))?.body.session_id;
  if (id !== undefined)
    journal.sessions.set(id, { file, onCrash: role === 'resumer' ? 'resume' : 'interrupt' });
  return id;
}

/** Sends a message under its key until the server answers. */
async function deliver(
  { call, journal }: LoadDeps,
  message: SentMessage,
  { waits }: { waits: boolean },
): Promise<void> {
  const { sessionId, key, text, whenBusy } = message;
  const reply = await call('sendMessage', {
    params: { session_id: sessionId },
    body: { message: text, when_busy: whenBusy },
    headers: { 'idempotency-key': key, ...(!waits && { prefer: 'respond-async' }) },
  });
  if (!reply) return;
  if (reply.status >= 300) {
    journal.undocumented.push(`${message.tag} was refused: ${JSON.stringify(reply.body)}`);
    return;
  }
  message.acknowledged.add(reply.body.message_id ?? reply.body.turn_id);
  if (reply.status === 200) message.results.set(reply.body.turn_id, reply.body as TurnResult);
}

const echo = (mark: string, file: string) => ({
  name: 'Bash',
  input: { command: `echo ${mark} >> ${file}`, description: mark },
});

function textFor(role: Role, tag: string, file: string, random: Random): string {
  const delay = { delay_ms: random.below(250) };
  if (role === 'planner') return `plan run echo ${tag}x1 >> ${file}`;
  if (role === 'questioner') {
    const question = {
      question: `Which one for ${tag}?`,
      header: 'Choice',
      options: ['left', 'right'].map((label) => ({ label, description: label })),
      multiSelect: false,
    };
    const ask = { tools: [{ name: 'AskUserQuestion', input: { questions: [question] } }] };
    return script(
      { ...delay, ...ask },
      { tools: [echo(`${tag}x1`, file)] },
      { say: `${tag} said {{result}}` },
    );
  }
  const calls = Array.from({ length: 1 + random.below(3) }, (_, n) => `${tag}x${n + 1}`);
  // Now and then several side by side: their permissions are not durable.
  const steps =
    role !== 'parker' && random.below(6) === 0
      ? [{ ...delay, tools: calls.map((mark) => echo(mark, file)) }]
      : calls.map((mark) => ({ delay_ms: random.below(250), tools: [echo(mark, file)] }));
  return script(...steps, { ...delay, say: `${tag} is done`, word_delay_ms: random.below(20) });
}

/** Answers permission requests of all sessions, each once and some of them late, until the signal fires. */
export async function runApprover({ call, journal, random, isOver, signal }: LoadDeps): Promise<void> {
  const busy = new Set<string>();
  const answer = async (request: PermissionRequest): Promise<void> => {
    const { request_id, session_id } = request;
    const isTool = request.kind === 'tool';
    const dice = random.below(10);
    if (!isOver()) await sleep([100, 300, 800, 3_000, 8_000][random.below(5)], undefined, { signal });
    const given = journal.answers.get(request_id) ?? {
      sessionId: session_id,
      allowed: !isTool || dice > 0,
      edited: isTool && dice > 7,
      acknowledged: false,
    };
    journal.answers.set(request_id, given);
    const reply = await call('respondPermission', {
      params: { session_id },
      body: {
        request_id,
        allowed: given.allowed,
        ...(!given.allowed && { message: 'Not this one.' }),
        ...(given.edited && { updated_input: edited(request) }),
        ...(request.kind === 'question' && { updated_input: { answers: firstChoices(request) } }),
      },
    });
    // 409: settled meanwhile, perhaps by an answer of ours of which we did not hear.
    given.acknowledged ||= reply?.status === 200;
  };
  while (!signal.aborted) {
    const reply = await call('listPermissions');
    for (const request of (reply?.body.permissions ?? []) as PermissionRequest[]) {
      if (busy.has(request.request_id)) continue;
      busy.add(request.request_id);
      answer(request)
        .catch(() => {})
        .finally(() => busy.delete(request.request_id));
    }
    await sleep(150, undefined, { signal }).catch(() => {});
  }
}

/** The same call with another mark. */
function edited({ tool_input }: PermissionRequest): Record<string, unknown> {
  const command = String(tool_input.command).replace(/^echo (\w+)/, 'echo $1+');
  return { ...tool_input, command };
}

function firstChoices({ tool_input }: PermissionRequest): Record<string, string> {
  const { questions } = tool_input as { questions: { question: string; options: { label: string }[] }[] };
  return Object.fromEntries(questions.map((each) => [each.question, each.options[0]?.label ?? '']));
}
