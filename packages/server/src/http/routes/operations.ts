import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';

/** What an operator looks at: the server, its agents, its gateway. */
export function operationsRoutes(
  app: Hono<HttpEnv>,
  { store, sessions, gateway, nodes, observation, operations, version }: AppDeps,
): void {
  const startedAt = new Date().toISOString();

  mount(app, routes.getOperations, async () => {
    const { states, pending, queuedTurns, waitingForAgent } = sessions.atWork();
    const { processes, maxLiveAgents, sandbox, settings } = operations;
    const byKind = Map.groupBy(pending, ({ kind }) => kind);
    return {
      version,
      started_at: startedAt,
      memory_bytes: process.memoryUsage.rss(),
      nodes: nodes?.list() ?? [{ node_id: 'this', address: '', is_this: true }],
      agents: {
        running: processes.running(),
        max: maxLiveAgents,
        memory_bytes: (await processes.memoryBytes()) ?? null,
      },
      sessions: { open: await store.countSessions('connected'), by_state: Object.fromEntries(states) },
      queued_turns: queuedTurns,
      turns_waiting_for_agent: waitingForAgent,
      permissions_pending: Object.fromEntries([...byKind].map(([kind, list]) => [kind, list.length])),
      sandbox,
      settings: [...settings],
    };
  });

  mount(app, routes.listProviders, () => ({
    providers: gateway.providers().map(({ id, name, ready, missing, given, models }) => ({
      id,
      name,
      ready,
      missing,
      given: given ?? null,
      models,
    })),
  }));

  mount(app, routes.listModelCalls, () => ({
    calls: observation.recentCalls.list().map((call) => ({
      at: call.at,
      request_id: call.request_id,
      session_id: call.session_id ?? null,
      key_id: call.subject.keyId ?? null,
      requested_model: call.requested_model,
      provider: call.provider ?? null,
      model: call.model ?? null,
      input_tokens: call.input_tokens,
      output_tokens: call.output_tokens,
      cost_usd: call.cost_usd ?? null,
      latency_ms: call.latency_ms,
      ttft_ms: call.ttft_ms ?? null,
      status: call.status,
      error: call.error ?? null,
    })),
  }));
}
