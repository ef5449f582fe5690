// The schemas, routes and types of the contract. Constants, closed lists, problems and session options have entry points
// of their own, which load no zod.
export {
  ACTIONS,
  type Action,
  AUDIT_ACTORS,
  type AuditActor,
  allows,
  DEFAULT_TENANT,
  ROLES,
  type Role,
  type RouteAccess,
  rolesFor,
} from './access.ts';
export {
  DEFAULT_HOST,
  DEFAULT_PORT,
  KEEP_ALIVE_MS,
  MAX_PERMISSION_TIMEOUT_SECONDS,
  REQUEST_TIMEOUT_MS,
} from './constants.ts';
export { type Endpoint, type EndpointName, endpoints, type Method } from './endpoints.ts';
export {
  EVENTS,
  type EventData,
  type EventType,
  LIVE_FRAMES,
  type LiveData,
  type LiveType,
  type PartialBlock,
} from './events.ts';
export {
  type ControlEvent,
  DeltaFrame,
  PartialFrame,
  SessionEvent,
  StreamFrame,
} from './frames.ts';
export {
  type InterruptReason,
  type InterruptScope,
  isTurnEnd,
  LIMITS,
  type LimitHolder,
  type LimitName,
  SETTING_SOURCES,
  type TurnEndEvent,
  type TurnOutcome,
} from './reasons.ts';
export { type Input, type Output, routes } from './routes/index.ts';
export {
  isAudited,
  needsOwner,
  problemsOf,
  type ResponseSpec,
  type RouteInput,
  type RouteOutput,
  type RouteSpec,
} from './routes/route.ts';
export { foreignPage, isLoopback } from './same-machine.ts';
export { AuditEntry } from './schemas/audit.ts';
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
export type { Folder, OfferedModel } from './schemas/choices.ts';
export {
  lenient,
  MetadataFilter,
} from './schemas/common.ts';
export { AnthropicError, Problem } from './schemas/error.ts';
export { CreateKey, type Key, PatchKey, PolicyName, TenantName } from './schemas/key.ts';
export { type LimitState, Limits } from './schemas/limits.ts';
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
export {
  McpServer,
  PermissionMode,
  SessionNetwork,
  SessionOptions,
  SubagentDefinition,
} from './schemas/options.ts';
export {
  InboxRequest,
  PermissionKind,
  PermissionReason,
  PermissionRequest,
  PermissionState,
  ResolvedBy,
  RespondPermission,
} from './schemas/permission.ts';
export { SecretHosts, Secrets, SecretValue } from './schemas/secrets.ts';
export {
  AvailableSession,
  CreateSession,
  ForkSession,
  McpServerState,
  ModelUsage,
  PatchSession,
  RewindResult,
  RewindSession,
  Session,
  SessionCreated,
  SessionDetail,
  SessionState,
  SessionStatus,
  StateCounts,
  TotalUsage,
  Usage,
} from './schemas/session.ts';
export { BackgroundTask } from './schemas/task.ts';
export { CreateWebhook } from './schemas/webhook.ts';
export { Workspace, WorkspaceSource } from './schemas/workspace.ts';
export { ExportLine } from './transfer.ts';
