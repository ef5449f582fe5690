import type { LiveNode, Membership } from './membership.ts';
import type { SharedOwnership } from './shared-ownership.ts';

export interface TakeoverDeps {
  membership: Pick<Membership, 'sweep' | 'isDraining' | 'incarnation'>;
  ownership: Pick<SharedOwnership, 'takeOrphans' | 'unsettled'>;
  everyMs: number;
  /** Settles what a dead node left open in a session, and goes on with it. */
  takeOver(sessionId: string): Promise<void>;
  /** Called with the nodes that are alive after each look. */
  onNodes(nodes: readonly LiveNode[]): void;
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

export function createTakeover(deps: TakeoverDeps): Takeover {
  const { membership, ownership, everyMs, takeOver, onNodes, onError } = deps;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;

  const settle = async (sessionId: string): Promise<void> => {
    try {
      await takeOver(sessionId);
    } catch (error) {
      // It stays in `unsettled`, for the next look.
      onError(error, `take over session ${sessionId}`);
    }
  };

  const look = async (): Promise<void> => {
    onNodes(await membership.sweep());
    for (let more = true; more && !stopped; ) {
      if (membership.incarnation() === undefined || membership.isDraining()) return;
      more = await ownership.takeOrphans(LOT);
      await Promise.all(ownership.unsettled().map(settle));
    }
  };

  const schedule = (): void => {
    if (stopped) return;
    // Nodes that look at the same moment would wait for each other.
    timer = setTimeout(
      () => {
        running = look()
          .catch((error: unknown) => onError(error, 'look for sessions without an owner'))
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
