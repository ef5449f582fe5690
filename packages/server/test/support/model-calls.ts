import type { DemoOptions } from 'claude-agent-demo-model';

/** A request that the scripted model got from an agent. */
export interface ModelCall {
  model: string;
  system?: unknown;
  messages: { role: string }[];
  tools?: { name: string }[];
}

/** Listens to what agents ask the model. */
export interface ModelCalls {
  options: DemoOptions;
  all: ModelCall[];
  /** The first request whose prompt holds these words. */
  first(words: string): ModelCall | undefined;
}

export function recordModelCalls(): ModelCalls {
  const all: ModelCall[] = [];
  return {
    options: {
      onRequest: ({ path, body }) => {
        if (path === '/v1/messages') all.push(body as ModelCall);
      },
    },
    all,
    first: (words) => all.find((call) => promptOf(call).includes(words)),
  };
}

/** What the user said last, as the model got it; notes of the agent may follow it. */
export const promptOf = ({ messages }: ModelCall): string =>
  JSON.stringify(messages.findLast(({ role }) => role === 'user'));
