export type { Conversation, ToolCall, ToolResult } from './conversation.ts';
export type { Gates } from './gates.ts';
export { createDemoModel, type DemoCall, type DemoModel, type DemoOptions, type DemoReply } from './model.ts';
export type { Scenario } from './responder.ts';
export type { Step } from './script.ts';
export { type DemoServer, startDemoServer } from './server.ts';
