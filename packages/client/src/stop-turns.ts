import type { AgentSession } from './session.ts';

/**
 * Ends some turns of a session and what they began in the background, and leaves alone what else goes on there: a
 * message that still waits is taken back, a running turn interrupted.
 */
export async function stopTurns(session: AgentSession, turnIds: Iterable<string>): Promise<void> {
  const ids = new Set(turnIds);
  for (const id of ids) {
    const { state } = await session.turn(id);
    if (state === 'queued') await session.cancel(id);
    else if (state === 'running') await session.interrupt();
  }
  // A server that knows no background work lists none.
  const tasks = (await session.info()).tasks ?? [];
  const own = tasks.filter((task) => task.turn_id !== null && ids.has(task.turn_id));
  await Promise.all(own.map((task) => session.stopTask(task.task_id)));
}
