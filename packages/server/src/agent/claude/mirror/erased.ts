import { eraseConversations } from '../erase.ts';
import type { Mirror } from './mirror.ts';

const EVERY_MS = 30_000;

/**
 * Removes this node's copies of conversations that another node has erased: at the start, and then again and again.
 */
export function watchErased(
  { transcripts, folder, onError }: Pick<Mirror, 'transcripts' | 'folder' | 'onError'>,
  everyMs = EVERY_MS,
): { stop(): Promise<void> } {
  let since: string | undefined;
  let running: Promise<void> | undefined;

  const look = async (): Promise<void> => {
    const { conversationIds, now } = await transcripts.erased(since);
    if (conversationIds.length > 0) await eraseConversations(folder, conversationIds);
    since = now;
  };
  const begin = (): void => {
    running ??= look()
      .catch((error: unknown) => onError(error, 'remove copies of what other nodes have erased'))
      .finally(() => {
        running = undefined;
      });
  };
  begin();
  const timer = setInterval(begin, everyMs).unref();

  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
