import type { LiveNode, Membership } from './membership.ts';
import type { SharedOwnership } from './shared-ownership.ts';

export interface TakeoverDeps {
  membership: Pick<Membership, 'sweep' | 'isDraining' | 'incarnation'>;
  ownership: Pick<SharedOwnership, 'deadOwners' | 'takeOrphans' | 'takeStrays' | 'unsettled'>;
  everyMs: number;
  /** Settles what a dead node left open in a session, and goes on with it. */
  takeOver(sessionId: string): Promise<void>;
  /** Called with the nodes that are alive after each look. */
  onNodes(nodes: readonly LiveNode[]): Promise<void>;
  onError(error: unknown, what: string): void;
}

/** Looks for dead nodes, and for sessions that have work and no owner. */
export interface Takeover {
  /** Looks once, and then again and again. @throws when the first look fails */
  start(): Promise<void>;
  /** Settles when nothing is under way. */
  stop(): Promise<void>;
}

/** Sessions taken at a time: small, so that the sessions of a dead node are shared by all that are alive. */
const LOT = 8;
/**
 * A look asks for the sessions of nodes that were alive at one of so many looks before. It goes through all owners as often,
 * and after one that failed: for nodes that died before this one joined, for what a dead one still wrote, and for what this
 * node was given without hearing of it.
 */
const REMEMBERED_LOOKS = 10;

export function createTakeover(deps: TakeoverDeps): Takeover {
  const { membership, ownership, everyMs, takeOver, onNodes, onError } = deps;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  let looks = 0;
  let isWhole = true;
  /** Incarnations that were alive, and at which look last. */
  const seen = new Map<string, number>();

  /** Owners that may be dead. */
  const candidates = async (nodes: readonly LiveNode[]): Promise<string[]> => {
    for (const { incarnation } of nodes) seen.set(incarnation, looks);
    for (const [incarnation, at] of seen) if (at < looks - REMEMBERED_LOOKS) seen.delete(incarnation);
    looks++;
    if (isWhole) return ownership.deadOwners();
    return [...seen].filter(([, at]) => at < looks - 1).map(([incarnation]) => incarnation);
  };

  const settle = async (sessionId: string): Promise<void> => {
    try {
      await takeOver(sessionId);
    } catch (error) {
      // It stays in `unsettled`, for the next look.
      onError(error, `take over session ${sessionId}`);
    }
  };

  const look = async (): Promise<void> => {
    const nodes = await membership.sweep();
    await onNodes(nodes);
    const owners = await candidates(nodes);
    for (let more = true; more && !stopped; ) {
      if (membership.incarnation() === undefined || membership.isDraining()) return;
      more = await ownership.takeOrphans(owners, LOT);
      if (isWhole && (await ownership.takeStrays(LOT))) more = true;
      await Promise.all(ownership.unsettled().map(settle));
    }
    isWhole = looks % REMEMBERED_LOOKS === 0;
  };

  const schedule = (): void => {
    if (stopped) return;
    // Nodes that look at the same moment would wait for each other.
    timer = setTimeout(
      () => {
        running = look()
          .catch((error: unknown) => {
            isWhole = true;
            onError(error, 'look for sessions without an owner');
          })
          .finally(() => {
            running = undefined;
            schedule();
          });
      },
      everyMs * (0.75 + Math.random() * 0.5),
    );
  };

  return {
    async start() {
      await look();
      schedule();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
