export type {
  AnswerItem,
  AvailableSession,
  BackgroundTask,
  CallReason,
  ContentBlock,
  ControlEvent,
  CreateSession,
  DeltaFrame,
  ForkSession,
  HistoryMessage,
  HookCall,
  HookEvent,
  Input,
  McpServerState,
  MetadataFilter,
  ModelUsage,
  Output,
  PartialFrame,
  PatchSession,
  PendingCall,
  PermissionKind,
  PermissionMode,
  PermissionReason,
  PermissionRequest,
  PermissionState,
  Problem,
  ResolvedBy,
  RespondPermission,
  RewindResult,
  RewindSession,
  SendMessage,
  Session,
  SessionCreated,
  SessionDetail,
  SessionEvent,
  SessionOptions,
  SessionState,
  SessionStatus,
  StreamFrame,
  ToolAnswer,
  ToolCall,
  TotalUsage,
  Turn,
  TurnAccepted,
  TurnError,
  TurnInitiator,
  TurnResult,
  TurnState,
  Usage,
  UserInput,
  WaitFor,
} from 'claude-agent-protocol';
export { DEFAULT_SERVER } from 'claude-agent-protocol/constants';
export { type EndpointName, endpoints } from 'claude-agent-protocol/endpoints';
export type { ProblemCode } from 'claude-agent-protocol/problems';
export type {
  AgentMessage,
  AssistantMessage,
  MessagePart,
  OtherMessage,
  PartialMessage,
  ResultMessage,
  SystemMessage,
  TokenUsage,
  ToolResultPart,
  UserMessage,
} from './agent-message.ts';
export type { Caller, CallOptions } from './caller.ts';
export { AgentClient, type AvailablePage, createClient } from './client.ts';
export { type EnvironmentDefaults, environmentDefaults } from './defaults.ts';
export {
  ApiError,
  type ErrorCode,
  isProblem,
  type ProblemError,
  RequestTimeout,
  ServerUnreachable,
  UnsupportedOption,
} from './errors.ts';
export { isDurable, resultOf } from './frames.ts';
export type { Fetch, TransportOptions } from './http.ts';
export { changeHunks, countLines, type DiffLine, type Hunk, patchHunks, textHunks } from './line-diff.ts';
export type { ListItem, ListName } from './pages.ts';
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
  ElicitationRequest,
  ElicitationResult,
  OnElicitation,
  PermissionResult,
  PermissionUpdate,
  QueryOptions,
  UserPrompt,
} from './query-options.ts';
export type {
  AgentSession,
  EventsOptions,
  PermissionAnswer,
  PermissionHandler,
  SubmitOptions,
} from './session.ts';
export { type Connection, pause, type ReadEventsOptions, readEvents } from './sse.ts';
export type { SseEvent } from './sse-parser.ts';
export { stopTurns } from './stop-turns.ts';
export {
  isInBackground,
  mainInput,
  readAnswers,
  readReport,
  readTodos,
  type Todo,
  toolArgument,
  toolTitle,
} from './tool-calls.ts';
export type { SendOptions, SentTurn } from './turn.ts';
