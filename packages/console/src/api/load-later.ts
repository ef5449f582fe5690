import { pause } from 'claude-agent-client';
import { type ComponentType, type LazyExoticComponent, lazy } from 'react';
import { client } from './client.ts';

const RETRY_MS = 1_000;

/**
 * A component whose file is loaded when it is first shown. React never forgets that a file could not be loaded; so without a
 * network this waits, and the page shows what it shows meanwhile. A server that answers and does not have the file is another version: the page
 * is loaded again, once.
 */
export function loadLater<P>(
  load: () => Promise<{ default: ComponentType<P> }>,
): LazyExoticComponent<ComponentType<P>> {
  return lazy(async () => {
    let hadServer = false;
    for (;;) {
      try {
        return await load();
      } catch (error) {
        if (hadServer && !wasReloaded()) location.reload();
        if (hadServer) throw error;
        await pause(RETRY_MS);
        hadServer = await client.health().then(
          () => true,
          () => false,
        );
      }
    }
  });
}

const RELOADED = 'reloaded for a missing file';

/** Whether the page was loaded again for this reason within the last minute. */
function wasReloaded(): boolean {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
  sessionStorage.setItem(RELOADED, String(Date.now()));
  return Date.now() - last < 60_000;
}
