export {
  DEFAULT_HOST,
  DEFAULT_PORT,
  DEFAULT_SERVER,
  KEEP_ALIVE_MS,
  MAX_PERMISSION_TIMEOUT_SECONDS,
  REQUEST_TIMEOUT_MS,
  STREAM_IDLE_MS,
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
  CALL_REASONS,
  EFFORTS,
  type Effort,
  HISTORY_MESSAGE_TYPES,
  HOOK_EVENTS,
  HOOK_FAILURES,
  INTERRUPT_REASONS,
  INTERRUPT_SCOPES,
  type InterruptReason,
  type InterruptScope,
  isTurnEnd,
  outcomeOf,
  PERMISSION_KINDS,
  PERMISSION_MODES,
  PERMISSION_PROMPTS,
  PERMISSION_REASONS,
  PERMISSION_STATES,
  SESSION_STATES,
  SESSION_STATUSES,
  SETTING_SOURCES,
  TURN_INITIATORS,
  TURN_STATES,
  type TurnEndEvent,
  type TurnOutcome,
  WAIT_FOR,
  WHEN_BUSY,
} from './reasons.ts';
export { type Input, type Output, routes } from './routes/index.ts';
export {
  problemsOf,
  type ResponseSpec,
  type RouteInput,
  type RouteOutput,
  type RouteSpec,
} from './routes/route.ts';
export { foreignPage, isLoopback } from './same-machine.ts';
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
export { AnthropicError, Problem } from './schemas/error.ts';
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
