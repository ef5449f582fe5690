import { runChat } from '../chat/run-chat.ts';
import type { Context } from '../context.ts';
import type { ExitCode } from '../exit.ts';
import { programVersion } from './help.ts';

/** The interactive client. */
export async function chat(context: Context): Promise<ExitCode> {
  const { client, paint } = context;
  context.stdout.write(
    `${paint.bold('claude-agent')} ${paint.dim(`${programVersion()} · ${client.baseUrl} · /help lists the commands`)}\n`,
  );
  // Loaded when the prompt is on the screen.
  return runChat(context, async (running) => {
    const { chooseFirstSession } = await import('../chat/first-session.ts');
    return chooseFirstSession(context, running);
  });
}
