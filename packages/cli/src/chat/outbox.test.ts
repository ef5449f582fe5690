import { type AgentSession, ApiError } from 'claude-agent-client';
import { expect, test } from 'vitest';
import { createOutbox, type OutboxDeps } from './outbox.ts';

const problem = (status: number, code: string): ApiError => new ApiError({ status, code, detail: code });

/** A session whose answers to what is sent are given one after the other: an error, or taken. */
function sessionWith(...answers: (ApiError | Error | 'taken')[]) {
  const sent: unknown[] = [];
  const submit = async (message: unknown): Promise<void> => {
    sent.push(message);
    const answer = answers.shift() ?? 'taken';
    if (answer !== 'taken') throw answer;
  };
  return { sent, session: { submit } as unknown as AgentSession };
}

function outboxWith(deps: Partial<OutboxDeps>) {
  const refused: string[] = [];
  const settled = Promise.withResolvers<void>();
  const outbox = createOutbox({
    onChange: () => outbox.waiting.length === 0 && settled.resolve(),
    onRefused: (_, error) => refused.push(error.code),
    reopen: async () => undefined,
    retryMs: 1,
    ...deps,
  });
  return { outbox, refused, empty: settled.promise };
}

test('a session that cannot be opened again gives the message back, and the next one goes on', async () => {
  const { sent, session } = sessionWith(problem(409, 'session_closed'));
  const { outbox, refused, empty } = outboxWith({
    reopen: () => Promise.reject(problem(404, 'session_not_found')),
  });
  outbox.setSession(session);
  outbox.add('first');
  outbox.add('second');
  await empty;
  expect(refused).toEqual(['session_not_found']);
  expect(sent).toEqual(['first', 'second']);
  outbox.close();
});

test('a reopening that fails for now is tried again with the message', async () => {
  const { sent, session } = sessionWith(problem(409, 'session_closed'), problem(409, 'session_closed'));
  let tries = 0;
  const { outbox, refused, empty } = outboxWith({
    reopen: async () => {
      tries += 1;
      if (tries === 1) throw problem(502, 'agent_failed');
    },
  });
  outbox.setSession(session);
  outbox.add('kept');
  await empty;
  expect({ tries, refused, sent }).toEqual({ tries: 2, refused: [], sent: ['kept', 'kept', 'kept'] });
  outbox.close();
});
