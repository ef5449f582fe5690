/** The questions of a store by subject: each implementation has one file for each. */
import type { Store } from './store.ts';

export type SessionReads = Pick<
  Store,
  | 'getSession'
  | 'getSessions'
  | 'listSessions'
  | 'countSessions'
  | 'hiddenSessions'
  | 'conversations'
  | 'conversation'
  | 'conversationOwners'
  | 'pastConversations'
  | 'conversationsIn'
  | 'conversationsOutside'
  | 'whose'
>;

export type TurnReads = Pick<
  Store,
  'getTurn' | 'knownTurns' | 'getTurnByKey' | 'listTurns' | 'openTurns' | 'unsettledTurns'
>;

export type PermissionReads = Pick<
  Store,
  'getPermission' | 'permissionsOfCall' | 'pendingPermissions' | 'settledPermissions'
>;

export type EventReads = Pick<
  Store,
  | 'readEvents'
  | 'firstSeq'
  | 'logSizes'
  | 'oldestEvents'
  | 'history'
  | 'turnStart'
  | 'readControlEvents'
  | 'lastCursor'
  | 'trimmedCursor'
  | 'sessionsWithTasks'
>;

export type UsageReads = Pick<
  Store,
  'sessionUsage' | 'sessionSums' | 'totalUsage' | 'sessionCost' | 'keyCost'
>;
