export {
  type Method,
  type ResponseSpec,
  type RouteInput,
  type RouteOutput,
  type RouteSpec,
  routes,
} from './contract.ts';
export { type Input, type Operation, type Output, operations } from './endpoints.ts';
export {
  CallReason,
  CustomTool,
  Hook,
  HookAnswer,
  HookCall,
  HookEvent,
  Hooks,
  PendingCall,
  RespondHook,
  RespondTool,
  ToolAnswer,
  ToolCall,
} from './schemas/call.ts';
export {
  ArgumentText,
  JsonObject,
  lenient,
  MetadataFilter,
  ModelName,
  queryInteger,
  SessionId,
  Timestamp,
  TurnId,
} from './schemas/common.ts';
export { Problem } from './schemas/error.ts';
export {
  type ControlEvent,
  DeltaFrame,
  PartialFrame,
  SessionEvent,
  type StreamFrame,
} from './schemas/event.ts';
export {
  AnswerItem,
  ContentBlock,
  HistoryMessage,
  SendMessage,
  Turn,
  TurnAccepted,
  TurnError,
  TurnInitiator,
  TurnResult,
  TurnState,
  UserInput,
  WaitFor,
  WhenBusy,
} from './schemas/message.ts';
export { McpServer, PermissionMode, SessionOptions, SubagentDefinition } from './schemas/options.ts';
export {
  PermissionKind,
  PermissionReason,
  PermissionRequest,
  PermissionState,
  ResolvedBy,
  RespondPermission,
} from './schemas/permission.ts';
export {
  AvailableSession,
  CreateSession,
  ForkSession,
  McpServerState,
  Metadata,
  ModelUsage,
  PatchSession,
  RewindResult,
  RewindSession,
  Session,
  SessionCreated,
  SessionDetail,
  SessionState,
  SessionStatus,
  TotalUsage,
  Usage,
} from './schemas/session.ts';
export { BackgroundTask } from './schemas/task.ts';
export { type OptionFacts, SESSION_OPTIONS, sessionOptionEntries } from './session-options.ts';
