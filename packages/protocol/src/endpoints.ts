export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD';

/** Where a route is. */
export interface Endpoint {
  method: Method;
  /** With `{name}` placeholders. */
  path: string;
}

/**
 * Method and path of every route, the only place where they stand: `routes/` adds the schemas. Free of zod (70 ms
 * cold), which a program that only sends requests does not need.
 */
export const endpoints = {
  createSession: { method: 'POST', path: '/sessions' },
  listSessions: { method: 'GET', path: '/sessions' },
  listAvailable: { method: 'GET', path: '/sessions/available' },
  getSession: { method: 'GET', path: '/sessions/{session_id}' },
  getSessionStatus: { method: 'GET', path: '/sessions/{session_id}/status' },
  patchSession: { method: 'PATCH', path: '/sessions/{session_id}' },
  closeSession: { method: 'DELETE', path: '/sessions/{session_id}' },
  exportSession: { method: 'GET', path: '/sessions/{session_id}/export' },
  importSession: { method: 'POST', path: '/sessions/import' },
  snapshotSession: { method: 'POST', path: '/sessions/{session_id}/snapshot' },
  deleteSnapshot: { method: 'DELETE', path: '/snapshots/{snapshot_id}' },
  forkSession: { method: 'POST', path: '/sessions/{session_id}/fork' },
  rewindSession: { method: 'POST', path: '/sessions/{session_id}/rewind' },
  setModel: { method: 'POST', path: '/sessions/{session_id}/model' },
  setPermissionMode: { method: 'POST', path: '/sessions/{session_id}/permission_mode' },
  interrupt: { method: 'POST', path: '/sessions/{session_id}/interrupt' },
  listTasks: { method: 'GET', path: '/sessions/{session_id}/tasks' },
  stopTask: { method: 'POST', path: '/sessions/{session_id}/tasks/{task_id}/stop' },
  getServerInfo: { method: 'GET', path: '/sessions/{session_id}/server_info' },
  respondHook: { method: 'POST', path: '/sessions/{session_id}/hooks/respond' },
  respondTool: { method: 'POST', path: '/sessions/{session_id}/tools/respond' },
  listCommands: { method: 'GET', path: '/sessions/{session_id}/commands' },
  listModels: { method: 'GET', path: '/sessions/{session_id}/models' },
  listAgents: { method: 'GET', path: '/sessions/{session_id}/agents' },
  listMcp: { method: 'GET', path: '/sessions/{session_id}/mcp' },
  reconnectMcp: { method: 'POST', path: '/sessions/{session_id}/mcp/{name}/reconnect' },
  toggleMcp: { method: 'POST', path: '/sessions/{session_id}/mcp/{name}/toggle' },
  getContext: { method: 'GET', path: '/sessions/{session_id}/context' },
  getSessionUsage: { method: 'GET', path: '/sessions/{session_id}/usage' },
  getUsage: { method: 'GET', path: '/usage' },
  sendMessage: { method: 'POST', path: '/sessions/{session_id}/messages' },
  listMessages: { method: 'GET', path: '/sessions/{session_id}/messages' },
  listTurns: { method: 'GET', path: '/sessions/{session_id}/turns' },
  getTurn: { method: 'GET', path: '/sessions/{session_id}/turns/{turn_id}' },
  cancelTurn: { method: 'DELETE', path: '/sessions/{session_id}/turns/{turn_id}' },
  sessionEvents: { method: 'GET', path: '/sessions/{session_id}/events' },
  allEvents: { method: 'GET', path: '/events' },
  listPermissions: { method: 'GET', path: '/permissions' },
  getPermission: { method: 'GET', path: '/sessions/{session_id}/permissions/{request_id}' },
  respondPermission: { method: 'POST', path: '/sessions/{session_id}/permissions/respond' },
  createToken: { method: 'POST', path: '/sessions/{session_id}/tokens' },
  listFolders: { method: 'GET', path: '/folders' },
  listOfferedModels: { method: 'GET', path: '/models' },
  me: { method: 'GET', path: '/me' },
  signIn: { method: 'POST', path: '/sign-in' },
  signOut: { method: 'POST', path: '/sign-out' },
  createKey: { method: 'POST', path: '/keys' },
  listKeys: { method: 'GET', path: '/keys' },
  rotateKey: { method: 'POST', path: '/keys/{key_id}/rotate' },
  revokeKey: { method: 'DELETE', path: '/keys/{key_id}' },
  getLimits: { method: 'GET', path: '/limits' },
  createWebhook: { method: 'POST', path: '/webhooks' },
  listWebhooks: { method: 'GET', path: '/webhooks' },
  getWebhook: { method: 'GET', path: '/webhooks/{webhook_id}' },
  patchWebhook: { method: 'PATCH', path: '/webhooks/{webhook_id}' },
  deleteWebhook: { method: 'DELETE', path: '/webhooks/{webhook_id}' },
  testWebhook: { method: 'POST', path: '/webhooks/{webhook_id}/test' },
  listDeliveries: { method: 'GET', path: '/webhooks/{webhook_id}/deliveries' },
  redeliver: { method: 'POST', path: '/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver' },
  getPush: { method: 'GET', path: '/push' },
  createPushSubscription: { method: 'POST', path: '/push/subscriptions' },
  listPushSubscriptions: { method: 'GET', path: '/push/subscriptions' },
  deletePushSubscription: { method: 'DELETE', path: '/push/subscriptions/{subscription_id}' },
  testPushSubscription: { method: 'POST', path: '/push/subscriptions/{subscription_id}/test' },
  health: { method: 'GET', path: '/health' },
  ping: { method: 'GET', path: '/ping' },
  ready: { method: 'GET', path: '/ready' },
  metrics: { method: 'GET', path: '/metrics' },
  invoke: { method: 'POST', path: '/invocations' },
  console: { method: 'GET', path: '/console' },
  openapi: { method: 'GET', path: '/openapi.json' },
  docs: { method: 'GET', path: '/docs' },
  redoc: { method: 'GET', path: '/redoc' },
  gatewayMessages: { method: 'POST', path: '/v1/messages' },
  gatewayCountTokens: { method: 'POST', path: '/v1/messages/count_tokens' },
  gatewayModels: { method: 'GET', path: '/v1/models' },
} as const satisfies Record<string, Endpoint>;

/** The name of a route; OpenAPI calls it the operation's id. */
export type EndpointName = keyof typeof endpoints;
