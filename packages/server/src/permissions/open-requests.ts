/** The agent's side of open requests: each is answered once, after its end is stored. */
export interface OpenRequests<Answer> {
  /** Settles with the answer. */
  open(id: string): Promise<Answer>;
  /** Calls `giveUp` when no answer comes in time (0: no limit), or the agent withdraws the request. */
  limit(
    id: string,
    limits: { timeoutSeconds: number; signal: AbortSignal | undefined },
    giveUp: (reason: 'timeout' | 'withdrawn') => void,
  ): void;
  /** Who waits for one request waits for another from now on, with the limit of that one. */
  rename(id: string, as: string): void;
  answer(id: string, answer: Answer): void;
}

export function createOpenRequests<Answer>(): OpenRequests<Answer> {
  const requests = new Map<string, { resolve(answer: Answer): void; timer?: NodeJS.Timeout }>();

  return {
    open(id) {
      const { promise, resolve } = Promise.withResolvers<Answer>();
      requests.set(id, { resolve });
      return promise;
    },
    limit(id, { timeoutSeconds, signal }, giveUp) {
      const request = requests.get(id);
      if (request && timeoutSeconds > 0) request.timer = setTimeout(giveUp, timeoutSeconds * 1000, 'timeout');
      if (signal?.aborted) giveUp('withdrawn');
      signal?.addEventListener('abort', () => giveUp('withdrawn'), { once: true });
    },
    rename(id, as) {
      const request = requests.get(id);
      const older = requests.get(as);
      requests.delete(id);
      if (!request || !older) return;
      clearTimeout(request.timer);
      requests.set(as, { ...request, ...(older.timer && { timer: older.timer }) });
    },
    answer(id, answer) {
      const request = requests.get(id);
      requests.delete(id);
      clearTimeout(request?.timer);
      request?.resolve(answer);
    },
  };
}
