import { environmentDefaults } from 'claude-agent-client';
import type { Context } from '../context.ts';
import { oneLine } from '../term/text.ts';
import { tasksOf, type ViewState } from '../view/state.ts';

/** What the user should know after the end: how to go on, as it can be typed, and what goes on without them. */
export function leavingLines({ args, settings, client }: Context, id: string, view: ViewState): string[] {
  // Another server than the one that is found without a flag must be named again.
  const flags = args.server === environmentDefaults().server ? '' : ` --server ${client.baseUrl}`;
  const lines = [`Go on with: ${settings.program}${flags} --resume ${id}`];
  const tasks = tasksOf(view).map((task) => oneLine(task.description));
  if (tasks.length > 0) lines.unshift(`Goes on in the background while the server runs: ${tasks.join(', ')}`);
  return lines;
}
