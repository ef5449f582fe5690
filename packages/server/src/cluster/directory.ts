/** Where a node can be reached by the others. */
export interface NodeAddress {
  id: string;
  /** Its base URL. */
  address: string;
  /** Its process: one that is started again has another. Left out for a node that owns nothing yet. */
  incarnation?: string;
}

/** The node of a row with its `id`, `address` and `incarnation`. */
export const addressFromRow = (row: Readonly<Record<string, unknown>>): Required<NodeAddress> => ({
  id: String(row.id),
  address: String(row.address),
  incarnation: String(row.incarnation),
});

/** Where the folder of a session is that nobody owns. */
export interface Folder {
  path: string;
  /** The node that owned the session last. */
  node: string;
  /** A workspace is restored on any node. */
  isWorkspace: boolean;
}

/** Who owns which session at the moment, for reading: an answer may be out of date when it arrives. */
export interface Directory {
  /** The other live node that owns the session; undefined when nobody does, or this node. */
  locate(sessionId: string): Promise<NodeAddress | undefined>;
  /** Undefined for a session that does not exist, or that no node has owned. */
  folderOf(sessionId: string): Promise<Folder | undefined>;
  /** Aborted when the node is not alive any more: nothing that was asked of it will be answered. */
  gone(nodeId: string): AbortSignal;
  /** Called when a session was written to or changed hands, at the latest a poll later. @returns ends it */
  onChange(sessionId: string, listener: () => void): () => void;
}
