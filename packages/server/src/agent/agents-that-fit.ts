import { totalmem } from 'node:os';

/** A process takes about 120 MB when it idles and more when it works; the rest of the machine needs memory too. */
const AGENT_BYTES = 200 * 1024 ** 2;

/** The number of processes that the memory holds: the machine's, or what the container may use of it. */
export function agentsThatFit(): number {
  // 0 and enormous values mean that there is no limit.
  const limits = [totalmem(), process.constrainedMemory()].filter((bytes) => bytes > 0);
  return Math.max(2, Math.floor(Math.min(...limits) / AGENT_BYTES));
}
