import type {
  CallReason,
  PendingCall,
  PermissionMode,
  TurnError,
  UserInput,
  WaitFor,
  WhenBusy,
} from 'claude-agent-protocol';
import type { AgentMessage, Call, CallAnswer, Decision, Spent, TurnEnd } from '../../agent/agent.ts';
import type { PermissionCommand } from '../../permissions/commands.ts';
import type { Change, PermissionRecord, SessionRecord, TurnRecord } from '../../store/store.ts';
import type { Current, Parked } from './state.ts';

/** Requests of API callers; refused with an AppError when the session's state does not allow them. */
type CallerCommand =
  | {
      kind: 'send';
      turnId: string;
      input: UserInput;
      inputHash: string;
      idempotencyKey: string | null;
      waitFor: WaitFor;
      whenBusy: WhenBusy;
      /** What its write must end with when it has to wait. */
      room?: readonly Change[];
    }
  /** Takes a queued message back. `withdrawn`: the agent had it, and has given it up. */
  | { kind: 'cancel'; turnId: string; withdrawn?: boolean }
  | { kind: 'set-model'; model: string | null }
  | { kind: 'set-permission-mode'; mode: PermissionMode }
  | { kind: 'patch'; set: Partial<Pick<SessionRecord, 'title' | 'metadata' | 'options' | 'secrets'>> }
  /** Closes the session and settles everything open. `cut`: the running turn's usage so far. */
  | { kind: 'close'; cut: Spent | undefined }
  /** Ends queued turns, and stops waiting for background work. */
  | { kind: 'stop-all' };

/** The steps of an interrupt (interrupt.ts), a close and a shutdown. */
type StopCommand =
  /** Marks turns, so that their end counts as interrupted. Writes nothing. */
  | { kind: 'mark-stopped'; turnIds: readonly string[] }
  /** Settles the requests of the running turn; subagents in the background go on, and so do their requests. */
  | { kind: 'withdraw-questions' }
  /** Ends turns for which no result of the agent will come. */
  | { kind: 'end-turns'; turnIds: readonly string[]; cut: Spent | undefined }
  /** Books the usage of a turn whose end could not be written. */
  | { kind: 'book'; spent: Spent | undefined }
  /** A close is under way: no turn begins. Writes nothing. */
  | { kind: 'begin-close' }
  | { kind: 'give-up-close' }
  /** No further turn begins. Writes nothing. */
  | { kind: 'drain' }
  | { kind: 'shut-down'; cut: Spent | undefined };

/** Events of the session's process. */
type ProcessCommand =
  | { kind: 'process-started'; process: number }
  /** A process is there for the turn that waits for it. `begun`: an earlier one had its message. */
  | { kind: 'turn-ready'; turnId: string; process: number; begun?: boolean }
  | { kind: 'turn-not-started'; turnId: string; error: TurnError }
  /** A request has waited for so long that its process is let go. */
  | { kind: 'park'; requestId: string; cut: Spent | undefined }
  /** No process asks again for the call that the turn waits for. */
  | { kind: 'parked-lost'; requestId: string; error: TurnError }
  /** Nobody has used the process for some time, or another session needs one. */
  | { kind: 'sleep' }
  /** The turn waits for a process of another session to end; 1 for the next. */
  | { kind: 'turn-waiting'; turnId: string; position: number }
  | {
      kind: 'process-ended';
      process: number;
      how: string;
      lastWords: string;
      /** The server ended it for taking more than a session may: another process would go the same way. */
      stopped?: string | undefined;
      cut: Spent;
      continueAs?: string;
      /** Messages that it had taken and could not tell of. */
      taken?: readonly string[];
    };

/** Events of the agent, including what it does by itself. */
type AgentCommand =
  | { kind: 'turn-taken'; turnId: string }
  | { kind: 'own-turn-began'; turnId: string }
  | { kind: 'message'; message: AgentMessage; end: TurnEnd | undefined }
  /** The agent is idle, or has been silent too long for a report to come. */
  | { kind: 'no-report' }
  | { kind: 'model-changed'; model: string }
  | { kind: 'title-changed'; title: string }
  /** The agent titled the transcript; counts only while there is no other title. */
  | { kind: 'title-found'; title: string }
  | { kind: 'folder-changed'; folder: string | null }
  | { kind: 'mode-changed'; mode: PermissionMode }
  | { kind: 'conversation-changed'; conversationId: string; trigger: string }
  | { kind: 'transcript-lost'; restored: number }
  /** This much of the transcript is known; `diverged`: including messages of another program. */
  | { kind: 'transcript-seen'; size: number; diverged: boolean };

/** Hooks and tools of the caller's own. */
export type CallCommand =
  | { kind: 'call-asked'; requestId: string; call: Asked<Call>; timeoutSeconds: number }
  | {
      kind: 'answer-call';
      requestId: string;
      callKind: PendingCall['kind'];
      answer: Record<string, unknown>;
    }
  | { kind: 'call-unanswered'; requestId: string; reason: Exclude<CallReason, 'answered'> };

/** A call as its caller is told of it. Distributes over hooks and tools. */
type Asked<Each> = Each extends Call ? Omit<Each, 'signal' | 'url' | 'timeoutSeconds'> : never;

/** How a session begins after a restart of the server. */
type RecoveryCommand =
  /** The server that ran this session is gone, and its agent with it. */
  | {
      kind: 'server-restarted';
      cut: Spent | undefined;
      hadTasks: boolean;
      continueAs?: string;
      /** The pending request waits on: the agent can be made to ask again. */
      parks: boolean;
      /** Queued messages that the agent had taken, which the dead server did not write down. */
      taken?: readonly TurnRecord[];
      /** Queued messages that the agent had, and may have taken: what it wrote down last is on another machine. */
      unknown?: readonly TurnRecord[];
    }
  /** A turn that was parked when the server before ended, or goes on after its death. */
  | {
      kind: 'restore-turn';
      current: Current;
      parked: Parked | undefined;
      pending: readonly PermissionRecord[];
    }
  /** Turns queued before the restart; they go ahead of new ones. */
  | { kind: 'take-over'; turns: readonly TurnRecord[] }
  /** Begins the first queued turn, if none runs. */
  | { kind: 'resume-queue' };

/** Everything that can happen to a session; `at` (ISO 8601) is when. */
export type Command = CommandBody & { at: string };

/** A command before it has its time. */
export type CommandBody =
  | CallerCommand
  | StopCommand
  | ProcessCommand
  | AgentCommand
  | PermissionCommand
  | CallCommand
  | RecoveryCommand;

/** The command of one kind. */
export type Of<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>;

/** What to do after a decision is committed. */
export type Effect =
  /** Get a process for the turn; `turn-ready` or `turn-not-started` follows. */
  | { kind: 'start-turn'; turn: TurnRecord }
  /** Get a process that asks again for the call that the turn waits for. */
  | { kind: 'resume-parked'; parked: Parked }
  /** The agent waits for an earlier request under another id. */
  | { kind: 'adopt-request'; requestId: string; as: string }
  /** A request can wait without its process: let the process go if nobody answers soon. */
  | { kind: 'await-parking'; requestId: string }
  /** Nothing uses the process from now on: it may be let go. */
  | { kind: 'await-sleep' }
  /** `as`: the id of the message, where it is not that of the turn. */
  | { kind: 'send-to-agent'; turnId: string; as: string; input: UserInput; process: number }
  /** The turn exists, and its end can be waited for. */
  | { kind: 'turn-accepted'; turn: TurnRecord }
  | { kind: 'turn-ended'; turn: TurnRecord }
  /** The message is part of another turn now, and will have none of its own. */
  | { kind: 'message-steered'; message: TurnRecord }
  | { kind: 'turn-settled'; turn: TurnRecord }
  | { kind: 'answer-permission'; requestId: string; decision: Decision }
  | { kind: 'answer-call'; requestId: string; answer: CallAnswer }
  /** Interrupt the running turn, for a message that goes first. */
  | { kind: 'make-way' }
  /** Tasks ended, or a turn did: `no-report` follows if no report comes. */
  | { kind: 'await-report' }
  /** The agent may have titled the conversation: `title-found` follows if it has. */
  | { kind: 'find-title' }
  | { kind: 'rename-transcript'; conversationId: string; title: string }
  | { kind: 'end-process' }
  /** End the process, unless a question to the agent came meanwhile. */
  | { kind: 'end-idle-process' }
  | { kind: 'kill-process' };

export type EffectOf<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>;
