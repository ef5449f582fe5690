import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { problem } from '../../errors.ts';
import { createStatus } from '../agentcore/status.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';

export function healthRoutes(
  app: Hono<HttpEnv>,
  { sessions, store, feed, agentcore, nodes, onError }: AppDeps,
): void {
  const status = createStatus(sessions.isBusy);
  // Between two pings it may change twice. Its own events tell a server; a node would get those of all.
  if (agentcore && !nodes) feed.subscribeAll({ onBatch: () => setImmediate(status.look), onEnd() {} }, 0);

  // Everybody may ask, so at most one write is under way. Which database says what is for the log.
  let probe: Promise<void> | undefined;
  const probeStore = (): Promise<void> => {
    probe ??= store.probe().finally(() => {
      probe = undefined;
    });
    return probe;
  };

  // From memory: it must answer even when the disk hangs.
  mount(app, routes.health, () => ({
    status: 'healthy',
    active_sessions: sessions.countOpen(),
    timestamp: new Date().toISOString(),
  }));

  mount(app, routes.ping, () => {
    const { isBusy, since } = status.look();
    return { status: isBusy ? 'HealthyBusy' : 'Healthy', time_of_last_update: Math.floor(since / 1000) };
  });

  mount(app, routes.ready, async () => {
    if (sessions.isStopping()) {
      throw problem('not_ready', { why: 'shutting down' });
    }
    try {
      // A write, because a full disk can still be read.
      await probeStore();
    } catch (error) {
      onError(error, 'write to the store');
      throw problem('not_ready', { why: 'store' });
    }
    if (sessions.isStuck()) {
      throw problem('not_ready', { why: 'stuck' });
    }
    return { status: 'ready' };
  });
}
