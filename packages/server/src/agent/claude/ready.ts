/**
 * Waits until a process is ready.
 * @param ended settles when the process has ended, or sends no more messages
 * @param signal aborts the start
 * @throws when the process exits first, the start is aborted, or it takes too long
 */
export async function whenReady<T>(
  ready: Promise<T>,
  ended: Promise<void>,
  signal: AbortSignal,
  ms: number,
): Promise<T> {
  return within(ms, Promise.race([ready, ended.then(failStart), givenUp(signal)]));
}

function failStart(): never {
  throw new Error('The agent process ended before it was ready.');
}

function givenUp(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = (): void => reject(new Error('The start was given up.'));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(
            `The agent did not answer within ${ms / 1000} seconds. Try again; if it stays so, look at what the machine is busy with, and at the hooks and MCP servers that start with the agent.`,
          ),
        ),
      ms,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
