import type { Caller } from './principal.ts';

/** How often it is looked whether the callers of open responses are still good. */
const LOOK_MS = 500;

/** The longest time that a timer can have, 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** Something that can be cut off: a response of node:http. */
interface Response {
  readonly writableFinished: boolean;
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** Responses that are under way, of callers that can be revoked: a stream must not outlive its key. */
export interface OpenResponses {
  add(caller: Caller, response: Response): void;
  stop(): void;
}

export function createOpenResponses(
  ended: (ids: readonly string[]) => Promise<string[]>,
  onError: (error: unknown, what: string) => void,
): OpenResponses {
  const open = new Map<string, Set<Response>>();
  let timer: NodeJS.Timeout | undefined;

  const look = async (): Promise<void> => {
    try {
      for (const id of await ended([...open.keys()])) {
        for (const response of open.get(id) ?? []) response.destroy();
      }
    } catch (error) {
      onError(error, 'look for revoked keys');
    }
    timer = open.size > 0 ? setTimeout(look, LOOK_MS).unref() : undefined;
  };

  return {
    add({ id, stored, expiresAt }, response) {
      if (expiresAt !== undefined) {
        const left = Math.min(Math.max(0, expiresAt - Date.now()), LONGEST_MS);
        const end = setTimeout(() => response.destroy(), left).unref();
        response.once('close', () => clearTimeout(end));
      }
      if (!stored) return;
      const responses = open.get(id) ?? new Set();
      open.set(id, responses.add(response));
      response.once('close', () => {
        responses.delete(response);
        if (responses.size === 0 && open.get(id) === responses) open.delete(id);
      });
      timer ??= setTimeout(look, LOOK_MS).unref();
    },
    stop: () => clearTimeout(timer),
  };
}
