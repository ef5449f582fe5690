import type { Chat } from './chat.ts';
import type { Input } from './commands.ts';

export interface TypedLines {
  submit(text: string): Promise<void>;
  /** Runs what was entered before the session was there, one line after the other. */
  catchUp(): Promise<void>;
  /** Lines that wait for the session, in order. */
  readonly waiting: readonly string[];
}

export interface TypedLinesDeps {
  chat: Chat;
  onError(error: unknown): void;
}

/**
 * Lines that the user enters: commands and messages. What needs a session waits until there is one. The code for
 * both is loaded with the first line.
 */
export function createTypedLines({ chat, onError }: TypedLinesDeps): TypedLines {
  const waiting: string[] = [];
  let isCatchingUp = false;

  const run = async (text: string, command: Input | undefined): Promise<void> => {
    try {
      if (command) {
        await (await import('./commands.ts')).runCommand(chat, command);
      } else {
        const { attachImages } = await import('./images.ts');
        chat.send(await attachImages(text, chat.context.settings.cwd));
      }
    } catch (error) {
      onError(error);
    }
  };

  const parse = async (text: string): Promise<Input | undefined> =>
    (await import('./commands.ts')).parseInput(text, chat.view.agentCommands);

  return {
    waiting,
    async submit(text) {
      const command = await parse(text);
      const isOfProgram =
        command !== undefined && 'command' in command && command.command.isOfProgram === true;
      if (!isOfProgram && (chat.session === undefined || isCatchingUp)) waiting.push(text);
      else await run(text, command);
    },
    async catchUp() {
      if (isCatchingUp) return;
      isCatchingUp = true;
      for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) {
        await run(text, await parse(text));
      }
      isCatchingUp = false;
    },
  };
}
