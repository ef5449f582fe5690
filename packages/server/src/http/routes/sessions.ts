import { routes, type SessionState } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { makerOf, OF_THE_MACHINE, type Principal, scopeOf } from '../../access/principal.ts';
import type { LiveSession } from '../../cluster/nodes.ts';
import { problem } from '../../errors.ts';
import { readLeftOpen } from '../../sessions/left-open.ts';
import { countStates, inStates, liveSessions } from '../../sessions/live.ts';
import type { Session } from '../../sessions/session.ts';
import { secretsView, sessionView, usageView } from '../../sessions/views.ts';
import { isInScope } from '../../store/scope.ts';
import type { SessionRecord } from '../../store/store.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { linesOf } from '../lines.ts';
import { mount } from '../mount.ts';
import { named } from '../page.ts';

export function sessionRoutes(app: Hono<HttpEnv>, deps: AppDeps): void {
  const { sessions, store, agent, folders, workspaces, defaultModel, nodes } = deps;

  const detail = async (id: string) => {
    const { record, session } = await sessions.look(id);
    const isLeft = nodes !== undefined && !session && record.status !== 'closed';
    const left = isLeft ? await readLeftOpen(store, record.id) : undefined;
    const pending = session?.pendingPermissions() ?? left?.pending ?? [];
    return {
      ...sessionView(
        record,
        {
          state: left?.state ?? stateOf(record, session),
          tasks: session?.tasks() ?? [],
          sums: (await store.sessionSums([record.id])).get(record.id),
        },
        defaultModel,
      ),
      pending_permission: pending[0] ?? null,
      pending_permissions: pending,
      current_turn_id: session?.currentTurnId() ?? left?.currentTurnId ?? null,
      queued_turns: session?.queuedTurns() ?? left?.queuedTurns ?? 0,
      pending_calls: session?.pendingCalls() ?? [],
      secrets: secretsView(record.secrets),
      last_seq: record.lastSeq,
    };
  };

  const live = async (): Promise<LiveSession[]> => liveSessions(sessions.live(), await nodes?.atWork());

  /** @throws AppError 403 */
  const checkTrust = (principal: Principal, isAsked: boolean | undefined): void => {
    const roles = deps.trustProjectRoles;
    if (!isAsked || principal.kind === 'session' || roles.includes(principal.role)) return;
    throw problem('role_insufficient', { role: principal.role, roles });
  };

  mount(app, routes.createSession, async ({ body }, c) => {
    checkTrust(c.get('principal'), body.trust_project);
    if (body.workspace && 'snapshot' in body.workspace)
      await workspaces.checkSnapshot(body.workspace.snapshot, scopeOf(c.get('principal')));
    const { resume_session_id: source, fork } = body;
    if (source !== undefined) await c.get('rule').admitSource(c.get('principal'), source, { fork });
    const elsewhere = await c.get('forward')?.(c, source, undefined, body.workspace !== undefined);
    if (elsewhere) return elsewhere;
    const created = await sessions.create(body, makerOf(c.get('principal')));
    c.get('audited')?.note({ session_id: created.session_id, permission_mode: body.permission_mode });
    return created;
  });

  mount(app, routes.listSessions, async ({ query }, c) => {
    const { cwd, state: states, ...rest } = query;
    const folder = cwd === undefined ? undefined : await folders.check(cwd);
    const page = await sessions.list({
      ...rest,
      cwd: folder,
      scope: scopeOf(c.get('principal')),
      ...(states && { ...inStates(states, await live()) }),
    });
    const away = page.sessions.filter(({ session }) => !session).map(({ record }) => record.id);
    const [sums, elsewhere] = await Promise.all([
      store.sessionSums(page.sessions.map(({ record }) => record.id)),
      away.length > 0 ? nodes?.doing(away) : undefined,
    ]);
    const list = page.sessions.map(({ record, session }) => {
      const here = { state: stateOf(record, session), tasks: session?.tasks() ?? [] };
      const doing = elsewhere?.get(record.id) ?? here;
      return sessionView(record, { ...doing, sums: sums.get(record.id) }, defaultModel);
    });
    return named('sessions', list, page.next);
  });

  mount(app, routes.countStates, async (_, c) => countStates(await live(), scopeOf(c.get('principal'))));

  mount(app, routes.listAvailable, async ({ query }, c) => {
    const scope = scopeOf(c.get('principal'));
    const { limit, offset, cursor, cwd } = query;
    const page = await agent.transcripts({
      scope,
      cwd: cwd === undefined ? undefined : await folders.check(cwd),
      // Conversations outside the roots cannot be resumed here, and are not shown.
      roots: deps.rootsOf(makerOf(c.get('principal'))),
      // A conversation that its session has left (/clear) cannot be resumed by itself; the session can.
      without: [...(await store.pastConversations()), ...(await store.conversationsOutside(scope))],
      ...(!isInScope(scope, OF_THE_MACHINE) && { only: await store.conversationsIn(scope) }),
      limit,
      offset,
      cursor,
    });
    const owners = await store.conversationOwners(page.transcripts.map((each) => each.conversationId));
    const list = page.transcripts.map(({ conversationId, modified, preview, title, cwd: project }) => ({
      session_id: owners.get(conversationId) ?? conversationId,
      conversation_id: conversationId,
      modified: modified.toISOString(),
      preview,
      title,
      project,
    }));
    return { ...named('sessions', list, page.next), total: page.total };
  });

  for (const route of [routes.getSession, routes.getSessionStatus]) {
    mount(app, route, async ({ params }) => detail(params.session_id));
  }

  mount(app, routes.patchSession, async ({ params, body }) => {
    const session = await sessions.get(params.session_id);
    await session.patch({
      ...(body.title !== undefined && { title: body.title }),
      ...(body.metadata !== undefined && { metadata: body.metadata }),
    });
    return detail(session.id);
  });

  mount(app, routes.closeSession, async ({ params, query }, c) => {
    if (query.erase) {
      c.get('audited')?.note({ erase: true });
      await sessions.erase(params.session_id);
      return { status: 'erased' };
    }
    await sessions.close(params.session_id);
    return { status: 'closed' };
  });

  mount(app, routes.snapshotSession, async ({ params }, c) => {
    const { id, bytes } = await sessions.snapshot(params.session_id);
    c.get('audited')?.note({ snapshot_id: id });
    return { snapshot_id: id, bytes };
  });

  mount(app, routes.deleteSnapshot, async ({ params }, c) => {
    await workspaces.removeSnapshot(params.snapshot_id, scopeOf(c.get('principal')));
    return { status: 'removed' };
  });

  mount(app, routes.exportSession, async ({ params }) => {
    const lines = await sessions.export(params.session_id);
    return new Response(jsonLines(lines), {
      headers: {
        'content-type': 'application/x-ndjson',
        'content-disposition': `attachment; filename="${params.session_id}.jsonl"`,
      },
    });
  });

  mount(app, routes.importSession, async ({ query }, c) => {
    c.set('unread', true);
    const lines = linesOf(c.req.raw, deps.importLimitBytes);
    try {
      const principal = c.get('principal');
      const imported = await sessions.import(lines, query.cwd, makerOf(principal), (options) =>
        checkTrust(principal, options.trust_project),
      );
      c.set('unread', false);
      c.get('audited')?.note({ session_id: imported.session_id });
      return imported;
    } finally {
      await lines.return();
    }
  });

  mount(app, routes.forkSession, async ({ params, body }, c) => {
    const forked = await sessions.fork(params.session_id, body, makerOf(c.get('principal')));
    c.get('audited')?.note({ forked_session_id: forked.session_id });
    return forked;
  });

  mount(app, routes.rewindSession, async ({ params, body }, c) => {
    c.get('audited')?.note({ message_id: body.message_id, dry_run: body.dry_run });
    const session = await sessions.getOpen(params.session_id);
    return session.rewind(body.message_id, body.dry_run);
  });

  mount(app, routes.setModel, async ({ params, body }, c) => {
    c.get('audited')?.note({ model: body.model ?? undefined });
    const session = await sessions.getOpen(params.session_id);
    await session.setModel(body.model);
    return { status: 'ok', model: body.model };
  });

  mount(app, routes.setPermissionMode, async ({ params, body }, c) => {
    c.get('audited')?.note({ mode: body.mode });
    const session = await sessions.getOpen(params.session_id);
    await session.setPermissionMode(body.mode);
    return { status: 'ok', mode: body.mode };
  });

  mount(app, routes.interrupt, async ({ params, body }, c) => {
    c.get('audited')?.note({ scope: body.scope });
    const session = await sessions.getOpen(params.session_id);
    await session.interrupt(body.scope);
    return { status: 'interrupted' };
  });

  mount(app, routes.listTasks, async ({ params }) =>
    named('tasks', (await sessions.look(params.session_id)).session?.tasks() ?? [], null),
  );

  mount(app, routes.stopTask, async ({ params }) => {
    const session = await sessions.get(params.session_id);
    await session.stopTask(params.task_id);
    return { status: 'stopped' };
  });

  mount(app, routes.respondHook, async ({ params, body: { request_id, output } }, c) => {
    c.get('audited')?.note({ request_id });
    const session = await sessions.get(params.session_id);
    await session.respond('hook', request_id, output);
    return { status: 'ok' };
  });

  mount(app, routes.respondTool, async ({ params, body: { request_id, ...answer } }, c) => {
    c.get('audited')?.note({ request_id });
    const session = await sessions.get(params.session_id);
    await session.respond('tool', request_id, answer);
    return { status: 'ok' };
  });

  mount(app, routes.getContext, async ({ params }) => {
    const session = await sessions.getOpen(params.session_id);
    return session.ask((process) => process.contextUsage());
  });

  mount(app, routes.getSessionUsage, async ({ params }) => {
    const { record } = await sessions.look(params.session_id);
    return usageView(await store.sessionUsage(record.id));
  });

  mount(app, routes.getDailyUsage, async ({ query }, c) => {
    const to = query.to ?? new Date().toISOString().slice(0, 10);
    const from = query.from ?? new Date(Date.parse(to) - 29 * 86_400_000).toISOString().slice(0, 10);
    return { from, to, days: await store.usageByDay({ from, to, scope: scopeOf(c.get('principal')) }) };
  });

  mount(app, routes.getUsage, async (_, c) => {
    const principal = c.get('principal');
    const scope = scopeOf(principal);
    const mayKnow = await deps.keys.namesIn(scope);
    const { costByKey, ...usage } = await store.totalUsage(scope);
    const keys = [...costByKey].filter(([id]) => mayKnow(id));
    return { ...usageView(usage), cost_usd_by_key: Object.fromEntries(keys) };
  });
}

/** What a session does; one without an actor does nothing. */
const stateOf = (record: SessionRecord, session: Session | undefined): SessionState =>
  session?.state() ?? (record.status === 'closed' ? 'closed' : 'asleep');

/** About so much is sent at a time. */
const CHUNK = 64 * 1024;

/** A body of JSON Lines, read as far as the caller takes them. */
function jsonLines(lines: AsyncGenerator<unknown, void, void>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = '';
      while (text.length < CHUNK) {
        const { done, value } = await lines.next();
        if (done) {
          if (text !== '') controller.enqueue(Buffer.from(text));
          return controller.close();
        }
        text += `${JSON.stringify(value)}\n`;
      }
      controller.enqueue(Buffer.from(text));
    },
    async cancel() {
      await lines.return();
    },
  });
}
