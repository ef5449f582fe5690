import type { NodeAddress } from './directory.ts';
import type { LiveNode, Membership } from './membership.ts';

export interface PlacementDeps {
  membership: Pick<Membership, 'incarnation' | 'isDraining'>;
  /** The nodes that are alive, as of the last look. */
  live(): readonly LiveNode[];
  /** How many more sessions could have a process here at once. */
  room(): number;
}

/** Decides where a session goes that nobody owns. */
export interface Placement {
  /** The node with the most room, when this one has none or is draining; undefined when the session stays here. */
  elsewhere(): NodeAddress | undefined;
}

export function createPlacement({ membership, live, room }: PlacementDeps): Placement {
  /** Sessions sent to each node since it said how much room it has. */
  let sent = new Map<string, number>();
  let known: readonly LiveNode[] = [];

  return {
    elsewhere() {
      if (!membership.isDraining() && room() > 0) return undefined;
      if (known !== live()) {
        known = live();
        sent = new Map();
      }
      const left = (node: LiveNode): number => node.room - (sent.get(node.id) ?? 0);
      const others = known.filter((node) => node.incarnation !== membership.incarnation() && !node.draining);
      const [best] = others.toSorted((a, b) => left(b) - left(a));
      // Without room anywhere its turns wait here, unless this node is about to end.
      if (!best || (left(best) <= 0 && !membership.isDraining())) return undefined;
      sent.set(best.id, (sent.get(best.id) ?? 0) + 1);
      return { id: best.id, address: best.address };
    },
  };
}
