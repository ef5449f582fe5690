import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { problem } from '../../errors.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';

export function healthRoutes(app: Hono<HttpEnv>, { sessions, store }: AppDeps): void {
  // From memory: it must answer even when the disk hangs.
  mount(app, routes.health, () => ({
    status: 'healthy',
    active_sessions: sessions.countOpen(),
    timestamp: new Date().toISOString(),
  }));

  mount(app, routes.ping, () => ({
    status: sessions.isBusy() ? 'HealthyBusy' : 'Healthy',
    time_of_last_update: Math.floor(Date.now() / 1000),
  }));

  mount(app, routes.ready, async () => {
    if (sessions.isStopping()) {
      throw problem('not_ready', { why: 'shutting down' });
    }
    try {
      // A write, because a full disk can still be read.
      await store.probe();
    } catch (error) {
      throw problem('not_ready', { why: 'store', said: String(error) });
    }
    if (sessions.isStuck()) {
      throw problem('not_ready', { why: 'stuck' });
    }
    return { status: 'ready' };
  });
}
