import type { Input, Output } from 'claude-agent-protocol';
import type { EndpointName } from 'claude-agent-protocol/endpoints';
import type { Arguments, Caller, CallOptions } from './caller.ts';

/** Where a page has its items, for every route that answers with pages. */
const ITEMS = {
  listSessions: 'sessions',
  listAvailable: 'sessions',
  listTasks: 'tasks',
  listCommands: 'commands',
  listModels: 'models',
  listAgents: 'agents',
  listMcp: 'servers',
  reconnectMcp: 'servers',
  toggleMcp: 'servers',
  listMessages: 'messages',
  listTurns: 'turns',
  sessionEvents: 'events',
  allEvents: 'events',
  listPermissions: 'permissions',
  listFolders: 'folders',
  listOfferedModels: 'models',
  listKeys: 'keys',
  listWebhooks: 'webhooks',
  listAudit: 'entries',
  listDeliveries: 'deliveries',
  listPushSubscriptions: 'subscriptions',
} as const satisfies { [N in Paged]: keyof Output<N> };

/** The routes that answer with pages. */
type Paged = {
  [N in EndpointName]: Output<N> extends { next_cursor: string | null } ? N : never;
}[EndpointName];

/** The name of a list that can be read over all of its pages. */
export type ListName = Exclude<Paged, 'reconnectMcp' | 'toggleMcp'>;
/** An item of a list. */
export type ListItem<N extends ListName> = Output<N>[(typeof ITEMS)[N] & keyof Output<N>] extends (infer I)[]
  ? I
  : never;

interface AnyPage {
  next_cursor: string | null;
  [items: string]: unknown;
}

/** Every item of a list, page by page; the next page is asked for when its first item is wanted. */
export async function* readPages<N extends ListName>(
  call: Caller,
  name: N,
  ...[input, options]: Arguments<Input<N>>
): AsyncGenerator<ListItem<N>, void, void> {
  // `ListItem` follows from the table above; the compiler does not follow it through a route that is not known yet.
  const callPage = call as unknown as (name: N, input: unknown, options?: CallOptions) => Promise<AnyPage>;
  const { query, ...rest } = (input ?? {}) as { query?: object };
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await callPage(name, { ...rest, query: { ...query, ...(cursor && { cursor }) } }, options);
    yield* page[ITEMS[name]] as ListItem<N>[];
    cursor = page.next_cursor;
  }
}
