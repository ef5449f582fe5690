export * from './agent-message.ts';
export * from './client.ts';
export * from './contract.ts';
export * from './errors.ts';
export type { Fetch, TransportOptions } from './http.ts';
export type { Input, Operation, Output } from './operations.ts';
export { type OptionFacts, SESSION_OPTIONS, sessionOptionEntries } from './options.ts';
export { type Query, query } from './query.ts';
export type {
  HookCallback,
  HookCallbackMatcher,
  HookInput,
  HookOptions,
  InProcessServer,
} from './query-callbacks.ts';
export type {
  CanUseTool,
  PermissionResult,
  PermissionUpdate,
  QueryOptions,
  UserPrompt,
} from './query-options.ts';
export * from './schema/call.ts';
export * from './schema/common.ts';
export * from './schema/error.ts';
export * from './schema/event.ts';
export * from './schema/message.ts';
export * from './schema/options.ts';
export * from './schema/permission.ts';
export * from './schema/session.ts';
export * from './schema/task.ts';
export * from './session.ts';
export * from './sse.ts';
export { resultOf, type SendOptions, type SentTurn } from './turn.ts';
