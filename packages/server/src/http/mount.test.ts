import { routes } from 'claude-agent-protocol';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { AppError, problem } from '../errors.ts';
import { type Forward, type HttpEnv, NOT_HERE } from './auth.ts';
import { mount } from './mount.ts';

const SESSION = crypto.randomUUID();

/** A node that is shut down: it answers with the next of these, and says who owns the session. */
function node(answers: (AppError | string)[], forward?: Forward) {
  const app = new Hono<HttpEnv>();
  app.onError((error, c) => c.text(error instanceof AppError ? error.code : String(error), 503));
  app.use((c, next) => {
    c.set('rule', { admit: async () => {} } as never);
    c.set('passedOn', c.req.header('passed-on') !== undefined);
    if (forward) c.set('forward', forward);
    return next();
  });
  const bodies: unknown[] = [];
  mount(app, routes.patchSession, ({ body }) => {
    bodies.push(body);
    const answer = answers.shift();
    if (answer instanceof AppError) throw answer;
    return { title: answer } as never;
  });
  const ask = async (headers: Record<string, string> = {}): Promise<[status: number, text: string]> => {
    const answer = await app.request(`/sessions/${SESSION}`, {
      method: 'PATCH',
      body: '{"title":"it"}',
      headers: { 'content-type': 'application/json', ...headers },
    });
    return [answer.status, await answer.text()];
  };
  return { ask, bodies };
}

const refused = (): AppError => problem('server_stopping', { kept: false });
const here: Forward = async () => undefined;

test('a request that was refused because its session goes to another node is answered there', async () => {
  const owners = [undefined, undefined, new Response('from the next owner')];
  const { ask, bodies } = node(
    [refused(), problem('session_moved', { id: SESSION, kept: false })],
    async () => owners.shift(),
  );
  expect(await ask()).toEqual([200, 'from the next owner']);
  expect(bodies).toEqual([{ title: 'it' }, { title: 'it' }]);
});

test('it is asked again when the session comes back, and while nobody owns it', async () => {
  let looks = 0;
  const { ask } = node([refused(), 'here after all'], async () => {
    if (looks++ === 1) throw problem('session_moved', { id: SESSION, kept: false });
    return undefined;
  });
  expect(await ask()).toEqual([200, '{"title":"here after all"}']);
});

test('the node that passed a request on looks for the next owner itself', async () => {
  expect(await node([refused()], here).ask({ 'passed-on': '1' })).toEqual([NOT_HERE, '']);
});

test('what was kept is not sent again, and a server without others refuses at once', async () => {
  const kept = problem('server_stopping', { kept: true });
  expect(await node([kept], here).ask()).toEqual([503, 'server_stopping']);
  expect(await node([refused()]).ask()).toEqual([503, 'server_stopping']);
});
