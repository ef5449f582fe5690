import type { Change } from '../store/store.ts';
import { dropReport, settleOver } from './machine/background.ts';
import type { Command, Effect, Of } from './machine/commands.ts';
import {
  follow,
  followConversation,
  followFolder,
  followMode,
  followTitle,
  noteLost,
  noteSeen,
  patch,
  setModel,
} from './machine/conversation.ts';
import { assign, type Draft, noteState } from './machine/draft.ts';
import {
  close,
  endTurns,
  giveUpClose,
  parkedLost,
  processEnded,
  processStarted,
  restoreTurn,
  serverRestarted,
  shutDown,
  sleep,
  stopAll,
} from './machine/lifecycle.ts';
import { parkWaiting, startParked } from './machine/parking.ts';
import {
  answerCall,
  answerPermission,
  askCall,
  askPermission,
  callUnanswered,
  permissionUnanswered,
  withdrawQuestions,
} from './machine/permissions.ts';
import { canSleep, type State } from './machine/state.ts';
import { bookings } from './machine/turn-end.ts';
import {
  beginNext,
  beginOwn,
  cancel,
  markStopped,
  message,
  notStarted,
  ready,
  send,
  taken,
  takeOver,
  waiting,
} from './machine/turns.ts';

/** The outcome of a command. */
export interface Decision {
  state: State;
  /** Written in one transaction, before `state` is adopted. */
  changes: readonly Change[];
  /** Performed after the commit, in this order. */
  effects: readonly Effect[];
}

/**
 * The session as a state machine. Pure: no clock, no ids, no I/O; times and ids come with the command, and what is
 * to be done is returned as data. actor.ts commits, adopts and then does it.
 *
 * The session, as the API shows it:
 *
 *   asleep ──process-started──▶ idle ──send──▶ running ──its end──▶ idle, or background while tasks run
 *     ▲                           ▲             │    ▲                │
 *     └───────process-ended───────┘             │    │ answered,      │ a task ended: own-turn-began
 *                             permission-asked  ▼    │ unanswered     ▼
 *                                             waiting              running
 *   any ──close──▶ closed (a resume through registry.ts makes another actor)
 *
 * The turn of a message (`turn.state` in the store, `phase` in memory):
 *
 *   send ──▶ queued ──▶ running: starting ──turn-ready──▶ sent ──turn-taken──▶ taken ──message with its end──▶ completed
 *              │                    │                       │                    │                            or failed
 *              │ cancel, stop-all   │ turn-not-started      └─────────┬──────────┘
 *              ▼                    ▼                                 │ end-turns, close, shut-down, process-ended
 *         interrupted             failed                              ▼
 *                                                           interrupted or failed
 *
 *   with wait_for "background": completed ──no task and no report left──▶ settled
 *
 * A turn of the agent's own begins with own-turn-began and ends with the next end that the agent tells; the turn of a
 * message that was sent meanwhile stays `sent` until then. At most one turn is worked on.
 *
 * A turn that waits for a permission which is `durable` need not have a process:
 *
 *   waiting ──process-ended, shut-down, server-restarted──▶ parked ──answer-permission, timeout──▶ (effect resume-parked)
 *     ▲                                                        │                                            │
 *     └────────permission-asked, again for the same call───────┴────────────────────────────────────────────┘
 *
 * With the session option `on_crash: "resume"` a turn that was sent goes on once: process-ended and server-restarted make
 * it `starting` again, and the next process gets a prompt of the server's own (machine/continuing.ts).
 *
 * A permission request: pending ──answer-permission──▶ allowed or denied
 *                               ──permission-unanswered, or the end of what asked──▶ denied, cancelled or expired
 *
 * @throws AppError when the command is refused: nothing changes then
 */
export function decide(state: State, command: Command): Decision {
  const draft: Draft = { state, changes: [], effects: [], at: command.at };
  (STEPS[command.kind] as Step<Command['kind']>)(draft, command);
  settleOver(draft);
  noteState(draft);
  if (canSleep(draft.state) && !canSleep(state)) draft.effects.push({ kind: 'await-sleep' });
  return draft;
}

/**
 * Whether an effect is still wanted when it is performed: a command that shared the commit may have ended the turn
 * that it is for.
 */
export function isDue({ current, handed }: State, effect: Effect): boolean {
  if (effect.kind === 'start-turn') return current?.turn.id === effect.turn.id;
  if (effect.kind === 'send-to-agent')
    return current?.turn.id === effect.turnId || handed.includes(effect.turnId);
  return true;
}

type Step<Kind extends Command['kind']> = (draft: Draft, command: Of<Kind>) => void;

const STEPS: { [Kind in Command['kind']]: Step<Kind> } = {
  // callers
  send,
  cancel,
  'set-model': setModel,
  'set-permission-mode': (draft, { mode }) => followMode(draft, mode),
  patch,
  close,
  'stop-all': stopAll,

  // stops
  'mark-stopped': (draft, { turnIds }) => markStopped(draft, turnIds, { reason: 'interrupted' }),
  'withdraw-questions': withdrawQuestions,
  'end-turns': endTurns,
  book: (draft, { spent }) => void draft.changes.push(...bookings(draft.state.record.id, spent)),
  'begin-close': (draft) => assign(draft, { closing: true }),
  'give-up-close': giveUpClose,
  drain: (draft) => assign(draft, { draining: true }),
  'shut-down': shutDown,

  // the process
  'process-started': processStarted,
  'turn-ready': ready,
  'turn-not-started': notStarted,
  'turn-waiting': waiting,
  sleep,
  'process-ended': processEnded,
  park: parkWaiting,
  'parked-lost': parkedLost,

  // the agent
  'turn-taken': taken,
  'own-turn-began': beginOwn,
  message,
  'no-report': dropReport,
  'model-changed': (draft, { model }) => follow(draft, { model }),
  'title-changed': (draft, { title }) => follow(draft, { title }),
  'title-found': followTitle,
  'folder-changed': followFolder,
  'mode-changed': (draft, { mode }) => followMode(draft, mode),
  'conversation-changed': followConversation,
  'transcript-lost': noteLost,
  'transcript-seen': noteSeen,

  // questions
  'permission-asked': askPermission,
  'answer-permission': answerPermission,
  'permission-unanswered': permissionUnanswered,
  'call-asked': askCall,
  'answer-call': answerCall,
  'call-unanswered': callUnanswered,

  // after a restart
  'server-restarted': serverRestarted,
  'restore-turn': restoreTurn,
  'take-over': takeOver,
  'resume-queue': (draft) => {
    const { current, parked } = draft.state;
    if (current?.phase === 'starting' && !parked)
      draft.effects.push({ kind: 'start-turn', turn: current.turn });
    startParked(draft);
    beginNext(draft);
  },
};
