import type { Folder, NodeAddress } from './directory.ts';
import type { LiveNode, Membership } from './membership.ts';

export interface PlacementDeps {
  membership: Pick<Membership, 'id' | 'incarnation' | 'isDraining'>;
  /** The nodes that are alive, as of the last look. */
  live(): readonly LiveNode[];
  /** How many more sessions could have a process here at once. */
  room(): number;
  /** Whether all nodes see the same folders. */
  sharedFolders: boolean;
}

/** Decides where a session goes that nobody owns. */
export interface Placement {
  /** The node with the most room, when this one has none or is draining; undefined when the session stays here. */
  elsewhere(): NodeAddress | undefined;
  /**
   * The same for a session that has a folder: the node that has it comes first. Workspaces go elsewhere when there is no
   * room; other folders stay where they are, unless all nodes see the same.
   * @returns `missing` when the only node that has the folder does not run
   */
  of(folder: Folder | undefined): { node: NodeAddress | undefined; missing: boolean };
}

export function createPlacement({ membership, live, room, sharedFolders }: PlacementDeps): Placement {
  /** Sessions sent to each node since it said how much room it has. */
  let sent = new Map<string, number>();
  let known: readonly LiveNode[] = [];

  const left = (node: LiveNode): number => node.room - (sent.get(node.id) ?? 0);

  const others = (): LiveNode[] => {
    if (known !== live()) {
      known = live();
      sent = new Map();
    }
    return known.filter((node) => node.incarnation !== membership.incarnation() && !node.draining);
  };

  const send = ({ id, address }: LiveNode): NodeAddress => {
    sent.set(id, (sent.get(id) ?? 0) + 1);
    return { id, address };
  };

  const elsewhere = (): NodeAddress | undefined => {
    if (!membership.isDraining() && room() > 0) return undefined;
    const [best] = others().toSorted((a, b) => left(b) - left(a));
    // Without room anywhere its turns wait here, unless this node is about to end.
    if (!best || (left(best) <= 0 && !membership.isDraining())) return undefined;
    return send(best);
  };

  return {
    elsewhere,
    of(folder) {
      const moves = sharedFolders || folder?.isWorkspace === true;
      // A folder that all nodes see is as near everywhere.
      if (!folder || (sharedFolders && !folder.isWorkspace)) return { node: elsewhere(), missing: false };
      if (folder.node === membership.id) return { node: moves ? elsewhere() : undefined, missing: false };
      const there = others().find(({ id }) => id === folder.node);
      if (there && (!moves || left(there) > 0)) return { node: send(there), missing: false };
      return moves ? { node: elsewhere(), missing: false } : { node: undefined, missing: !there };
    },
  };
}
