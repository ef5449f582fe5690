import { isAlias, usesGateway } from '../agent/environment.ts';

/** What the agent sends before the user's first word, measured on 2.1.330: its prompt and twelve tools. */
const OWN_PROMPT_TOKENS = 14_000;
/** Below this there is no room for a conversation beside it. */
const LEAST_WINDOW = 20_000;

/** What the rest of the server asks of the gateway here. */
interface Models {
  contextOf(model: string): number | undefined;
  refusalOf(model: string): string | undefined;
}

interface Session {
  model: string | null | undefined;
  options: { enable_proxy?: boolean | undefined; system_prompt?: unknown };
}

/** Why model calls fail, in words for the user: the agent keeps many of the gateway's sentences to itself. */
export interface Reasons {
  /** A call of a session was refused. */
  note(subject: { sessionId?: string | undefined }, failure: { message: string }): void;
  /** Adds to the agent's words why a turn failed, when they do not say so; undefined words for a turn that did not. */
  explain(sessionId: string, session: Session, words: string | undefined): string | undefined;
  /** What of a session's choice of a model cannot work. */
  warnings(session: Session): string[];
  /** The session's process is gone. */
  forget(sessionId: string): void;
}

/** @param server what is configured; `claude`: the agent's own default model can be reached through the gateway */
export function createReasons(
  models: Models,
  server: { credential: string | undefined; claude: boolean },
): Reasons {
  const last = new Map<string, string>();

  const smallWindow = ({ model, options }: Session): string | undefined => {
    if (!model || isAlias(model) || options.system_prompt !== undefined) return undefined;
    const window = models.contextOf(model);
    if (window === undefined || window >= LEAST_WINDOW) return undefined;
    return `${model} has room for ${window} tokens, and the agent's own instructions and tools take about ${OWN_PROMPT_TOKENS}: choose a model with a larger context window.`;
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
              'The session names no model, and there is no credential for Claude, which the agent then uses: name one ("model", or ANTHROPIC_MODEL for all), or set ANTHROPIC_API_KEY.',
            ];
      }
      if (isAlias(model)) return [];
      return [models.refusalOf(model), smallWindow(session)].filter((part) => part !== undefined);
    },

    forget: (sessionId) => void last.delete(sessionId),
  };
}
