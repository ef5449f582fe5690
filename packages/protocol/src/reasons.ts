/**
 * Every closed list of words in the contract, once. The schemas (`z.enum`), the server's records and the programs' flags
 * are made from these. Free of zod.
 */

export const SESSION_STATUSES = ['connected', 'closed'] as const;

/**
 * What a session is doing: `asleep` has no agent process (the next message starts one), `waiting` has a
 * pending permission request, `background` runs no turn but has background tasks.
 */
export const SESSION_STATES = ['asleep', 'idle', 'running', 'waiting', 'background', 'closed'] as const;
/** What an open session does. */
export const OPEN_SESSION_STATES = ['asleep', 'idle', 'running', 'waiting', 'background'] as const;

/** How a turn ends. */
export const TURN_OUTCOMES = ['completed', 'failed', 'interrupted'] as const;
export type TurnOutcome = (typeof TURN_OUTCOMES)[number];

/** `steered`: a message that the agent took into a running turn; it has no turn of its own. */
export const TURN_STATES = ['queued', 'running', ...TURN_OUTCOMES, 'steered'] as const;

/** The event that ends a turn. `turn.settled` comes after it, when background work was waited for. */
export type TurnEndEvent = `turn.${TurnOutcome}`;

const TURN_END_EVENTS: ReadonlySet<string> = new Set(
  TURN_OUTCOMES.map((outcome): TurnEndEvent => `turn.${outcome}`),
);

/** Whether an event ends its turn. */
export const isTurnEnd = <E extends { type: string }>(
  event: E,
): event is Extract<E, { type: TurnEndEvent }> => TURN_END_EVENTS.has(event.type);

/** How the turn ended, by the event that ends it. */
export const outcomeOf = ({ type }: { type: TurnEndEvent }): TurnOutcome =>
  type.slice('turn.'.length) as TurnOutcome;

/** Who began a turn: a message of the user, or the agent by itself (it reports on a background task, say). */
export const TURN_INITIATORS = ['user', 'agent'] as const;

/** Why a turn ended as `interrupted`. */
export const INTERRUPT_REASONS = [
  'interrupted',
  'denied',
  'cancelled',
  'session_closed',
  'server_shutdown',
  'server_restarted',
] as const;
export type InterruptReason = (typeof INTERRUPT_REASONS)[number];

/** What an interrupt is for: the running turn, or background tasks and queued messages as well. */
export const INTERRUPT_SCOPES = ['turn', 'all'] as const;
export type InterruptScope = (typeof INTERRUPT_SCOPES)[number];

/** What happens to a message that arrives while a turn runs: `steer` gives it to that turn. */
export const WHEN_BUSY = ['queue', 'reject', 'interrupt', 'steer'] as const;

/** What becomes of a turn that runs when its agent or the server dies. */
export const CRASH_POLICIES = ['interrupt', 'resume'] as const;

/** What ended the process of a turn that goes on. */
export const CRASH_REASONS = ['agent_died', 'server_restarted'] as const;

/**
 * What a message waits for: the end of its own turn, or also the background work that the turn began, with all
 * turns in which the agent reports on it. The answer then holds those reports too.
 */
export const WAIT_FOR = ['turn', 'background'] as const;

export const HISTORY_MESSAGE_TYPES = ['user', 'assistant', 'system'] as const;

/** Why a hook or tool call no longer waits. */
export const CALL_REASONS = [
  'answered',
  'timeout',
  'interrupted',
  'withdrawn',
  'session_closed',
  'agent_died',
  'server_shutdown',
  'server_restarted',
] as const;

/**
 * What kind of question waits: a tool call, a question to the user (AskUserQuestion), a plan to approve
 * (ExitPlanMode), or a form that an MCP server asks to fill in.
 */
export const PERMISSION_KINDS = ['tool', 'question', 'plan', 'elicitation'] as const;

/** `pending` first, then exactly one of the others. */
export const PERMISSION_STATES = ['pending', 'allowed', 'denied', 'expired', 'cancelled'] as const;

/** What the approval inbox lists. */
export const INBOX_STATES = ['pending', 'settled'] as const;

/** Why a request left `pending`: for the same reasons as a call. */
export const PERMISSION_REASONS = [...CALL_REASONS] as const;

export const PERMISSION_MODES = [
  'default',
  'acceptEdits',
  'plan',
  'bypassPermissions',
  'dontAsk',
  'auto',
] as const;

export const PERMISSION_PROMPTS = ['host', 'none'] as const;

export const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const;
export type Effort = (typeof EFFORTS)[number];

/** Where the agent's settings come from, widest first. */
export const SETTING_SOURCES = ['user', 'project', 'local'] as const;

/** What happens without a valid answer to a hook. */
export const HOOK_FAILURES = ['block', 'continue'] as const;

/** The agent's own events that a hook can be for. */
export const HOOK_EVENTS = [
  'PreToolUse',
  'PostToolUse',
  'PostToolUseFailure',
  'PostToolBatch',
  'Notification',
  'UserPromptSubmit',
  'UserPromptExpansion',
  'SessionStart',
  'SessionEnd',
  'Stop',
  'StopFailure',
  'SubagentStart',
  'SubagentStop',
  'PreCompact',
  'PostCompact',
  'PreModelSwitch',
  'PostModelSwitch',
  'PermissionRequest',
  'PermissionDenied',
  'Setup',
  'TeammateIdle',
  'TaskCreated',
  'TaskCompleted',
  'Elicitation',
  'ElicitationResult',
  'ConfigChange',
  'WorktreeCreate',
  'WorktreeRemove',
  'InstructionsLoaded',
  'CwdChanged',
  'FileChanged',
  'DirectoryAdded',
  'MessageDisplay',
] as const;

/** Names of models that Claude Code resolves itself, to the model of that name that is current. */
export const MODEL_ALIASES = ['default', 'best', 'haiku', 'sonnet', 'opus', 'opusplan', 'fable'] as const;

/** What happened to the folder of a session. */
export const WORKSPACE_ACTIONS = ['restored', 'not_saved'] as const;

/** What webhooks can be told: control events, and `budget.spent`, which comes beside the `turn.failed` of a spent budget. */
export const WEBHOOK_TYPES = [
  'permission.requested',
  'permission.resolved',
  'turn.queued',
  'turn.started',
  'turn.completed',
  'turn.failed',
  'turn.interrupted',
  'turn.settled',
  'session.created',
  'session.state',
  'session.closed',
  'budget.spent',
] as const;
export type WebhookType = (typeof WEBHOOK_TYPES)[number];

export const WEBHOOK_STATUSES = ['enabled', 'disabled'] as const;

/** `failed`: after the last attempt, or because the webhook is disabled. */
export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;

/** What a key and a tenant may use. */
export const LIMITS = [
  'requests_per_minute',
  'live_sessions',
  'queued_turns',
  'tokens_per_day',
  'usd_per_day',
] as const;
export type LimitName = (typeof LIMITS)[number];

/** Whose a limit is: a key (or a subject of the identity provider), or a tenant. */
export const LIMIT_HOLDERS = ['key', 'tenant'] as const;
export type LimitHolder = (typeof LIMIT_HOLDERS)[number];
