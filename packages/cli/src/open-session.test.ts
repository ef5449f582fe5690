import { AgentClient, ApiError } from 'claude-agent-client';
import type { SessionCreated } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import { readArgs } from './args.ts';
import { openSession, resumeChosen } from './open-session.ts';

const ID = '7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e';
const SETTINGS = {
  server: 'http://127.0.0.1:8000',
  apiKey: undefined,
  color: false,
  cwd: '/work',
  historyFile: '/dev/null',
  program: 'claude-agent',
};
const args = (...argv: string[]) => readArgs(argv, SETTINGS);

/** A client whose server answers every request alike, and what was asked of it. */
function clientWith(answer: (body: unknown) => Response) {
  const requests: [route: string, body: unknown][] = [];
  const client = new AgentClient({
    baseUrl: SETTINGS.server,
    fetch: async (url, init) => {
      const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
      requests.push([`${init.method} ${new URL(url).pathname}`, body]);
      return answer(body);
    },
  });
  return { client, requests };
}

const created = (more: Partial<SessionCreated> = {}): Response =>
  Response.json({ session_id: ID, resumed: true, was_live: true, cwd: '/work', warnings: [], ...more });

describe('opening a session', () => {
  test('tells what the server warns of', async () => {
    const warnings = ['gpt-4.1 needs OPENAI_API_KEY.'];
    const { client } = clientWith(() => created({ warnings }));
    expect((await openSession(client, args('--model', 'gpt-4.1'), '/work')).notices).toEqual(warnings);
  });

  test('--resume sends model and mode with the request, once', async () => {
    const { client, requests } = clientWith(() => created());
    await openSession(client, args('--resume', ID, '--model', 'OPUS', '--mode', 'PLAN'), '/work');
    expect(requests).toEqual([
      ['POST /sessions', { resume_session_id: ID, model: 'opus', permission_mode: 'plan' }],
    ]);
  });

  test('--resume --model default takes the model back in a request of its own', async () => {
    const { client, requests } = clientWith(() => created());
    await openSession(client, args('--resume', ID, '--model', 'default'), '/work');
    expect(requests).toEqual([
      ['POST /sessions', { resume_session_id: ID }],
      [`POST /sessions/${ID}/model`, { model: null }],
    ]);
  });

  test('--force goes on with a conversation that another process uses, also without the flags it cannot take', async () => {
    const { client, requests } = clientWith((body) =>
      (body as { model?: string }).model === undefined
        ? created()
        : Response.json(
            {
              status: 409,
              code: 'options_need_restart',
              detail: 'No.',
              errors: [{ path: 'body.model', message: 'x' }],
            },
            { status: 409 },
          ),
    );
    const opened = await resumeChosen(client, args('--force', '--model', 'opus'), ID);
    expect(opened.notices).toEqual(["This session's agent runs already and keeps its own model."]);
    expect(requests.map(([, body]) => body)).toEqual([
      { resume_session_id: ID, model: 'opus', force: true },
      { resume_session_id: ID, force: true },
    ]);
    await expect(
      openSession(client, args('--resume', ID, '--model', 'opus'), '/work'),
    ).rejects.toBeInstanceOf(ApiError);
  });
});
