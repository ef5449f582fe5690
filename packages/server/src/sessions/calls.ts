import { randomUUID } from 'node:crypto';
import { HookAnswer, type PendingCall, ToolAnswer } from 'claude-agent-protocol';
import type { Call, CallAnswer } from '../agent/agent.ts';
import { messageOf, problem } from '../errors.ts';
import { createOpenRequests } from '../permissions/open-requests.ts';
import type { PostCallback } from './callback-url.ts';
import type { CallCommand } from './machine/commands.ts';

/** Calls of the caller's hooks and tools: each waits for an answer, by an event or from an address. */
export interface Calls {
  /** Never rejects: a failure is an answer too. */
  ask(call: Call): Promise<CallAnswer>;
  /** @throws AppError 404 when no such call waits */
  respond(kind: PendingCall['kind'], requestId: string, answer: Record<string, unknown>): Promise<void>;
  /** The call is settled, and that is written: tells the agent. */
  settled(requestId: string, answer: CallAnswer): void;
}

export interface CallsDeps {
  postCallback: PostCallback;
  sessionId: string;
  /** The turn that a call belongs to. */
  turnId(): string | null;
  /** False when nothing waits for the answer. @throws the store's failure: nothing was kept then */
  call(command: Extract<CallCommand, { kind: 'answer-call' }>): Promise<boolean>;
  fact(command: CallCommand): void;
}

/** The form of an answer, wherever it comes from. */
const ANSWERS = { hook: HookAnswer, tool: ToolAnswer };

export function createCalls({ postCallback, sessionId, turnId, call, fact }: CallsDeps): Calls {
  const requests = createOpenRequests<CallAnswer>();

  const askByEvent = ({ signal, timeoutSeconds, url: _, ...asked }: Call): Promise<CallAnswer> => {
    const requestId = randomUUID();
    const answer = requests.open(requestId);
    fact({ kind: 'call-asked', requestId, call: asked, timeoutSeconds });
    requests.limit(requestId, { timeoutSeconds, signal }, (reason) =>
      fact({ kind: 'call-unanswered', requestId, reason }),
    );
    return answer;
  };

  const askByUrl = async (url: string, asked: Call): Promise<CallAnswer> => {
    const { signal, timeoutSeconds, url: _, ...question } = asked;
    const body = { ...question, session_id: sessionId, turn_id: turnId() };
    try {
      const answer = await postCallback(url, body, timeoutSeconds * 1000, signal);
      return { ok: true, answer: ANSWERS[asked.kind].parse(answer) };
    } catch (error) {
      return { ok: false, message: messageOf(error) };
    }
  };

  return {
    ask: (asked) => (asked.url === undefined ? askByEvent(asked) : askByUrl(asked.url, asked)),

    async respond(kind, requestId, answer) {
      if (await call({ kind: 'answer-call', callKind: kind, requestId, answer })) return;
      throw problem('call_not_found', { sessionId, id: requestId, kind });
    },

    settled: requests.answer,
  };
}
