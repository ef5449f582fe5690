import { isAlias, usesGateway } from '../agent/environment.ts';

/** Tokens that the agent sends before the user's first word, measured on 2.1.330: its prompt and twelve tools. */
const OWN_PROMPT_TOKENS = 14_000;
/** A smaller window leaves no room for a conversation. */
const MIN_WINDOW = 20_000;

/** The part of the gateway that is used here. */
interface Models {
  contextOf(model: string): number | undefined;
  refusalOf(model: string): string | undefined;
}

interface Session {
  model: string | null | undefined;
  options: { enable_proxy?: boolean | undefined; system_prompt?: unknown; network?: object | undefined };
}

/** Explains failed model calls to the user: the agent hides many of the gateway's messages. */
export interface FailureReasons {
  /** Records that the gateway refused a session's call. */
  note(subject: { sessionId?: string | undefined }, failure: { message: string }): void;
  /** Adds the reason of a failed turn to the agent's message, if it is missing; undefined for a turn that did not fail. */
  explain(sessionId: string, session: Session, words: string | undefined): string | undefined;
  /** Problems with a session's choice of model. */
  warnings(session: Session): string[];
  /** Drops what was recorded: the session's process is gone. */
  forget(sessionId: string): void;
}

/** @param server the configuration; `claude`: the gateway can reach the agent's default model */
export function createFailureReasons(
  models: Models,
  server: { credential: string | undefined; claude: boolean },
): FailureReasons {
  const last = new Map<string, string>();

  const smallWindow = ({ model, options }: Session): string | undefined => {
    if (!model || isAlias(model) || options.system_prompt !== undefined) return undefined;
    const window = models.contextOf(model);
    if (window === undefined || window >= MIN_WINDOW) return undefined;
    return `The context window of ${model} is ${window} tokens, and the agent's own instructions and tools take about ${OWN_PROMPT_TOKENS}. Choose a model with a larger context window.`;
  };

  return {
    note({ sessionId }, { message }) {
      if (sessionId !== undefined) last.set(sessionId, message);
    },

    explain(sessionId, session, words) {
      const reason = last.get(sessionId);
      last.delete(sessionId);
      if (words === undefined) return undefined;
      const why = /prompt is too long/i.test(words) && usesGateway(server, session) && smallWindow(session);
      return [words, reason, why]
        .filter((part, at) => part && (at === 0 || !words.includes(part)))
        .join('\n');
    },

    warnings(session) {
      if (!usesGateway(server, session)) return [];
      const { model } = session;
      if (!model) {
        return server.claude
          ? []
          : [
              'The session names no model, so the agent uses Claude, but there is no credential for it. Name a model ("model", or ANTHROPIC_MODEL for all sessions), or set ANTHROPIC_API_KEY.',
            ];
      }
      if (isAlias(model)) return [];
      return [models.refusalOf(model), smallWindow(session)].filter((part) => part !== undefined);
    },

    forget: (sessionId) => void last.delete(sessionId),
  };
}
