import { oneLine } from '../../term/text.ts';
import { tokens } from '../../view/numbers.ts';
import type { Chat } from '../chat.ts';

interface Breakdown {
  categories?: { name: string; tokens: number }[];
  totalTokens?: number;
  maxTokens?: number;
  percentage?: number;
  model?: string;
}

const BAR = 30;

/** What fills the context window, as the agent counts it. */
export async function context(chat: Chat): Promise<void> {
  if (!chat.session) return chat.say('There is no session yet.', 'warning');
  const { paint } = chat.context;
  const used = (await chat.session.context()) as Breakdown;
  const max = used.maxTokens ?? 0;
  const rows = (used.categories ?? [])
    .filter((category) => category.tokens > 0)
    .map((category) => {
      const part = max > 0 ? category.tokens / max : 0;
      const bar = '█'.repeat(Math.round(part * BAR)).padEnd(BAR, '░');
      const share = `${(part * 100).toFixed(1)} %`;
      return `  ${oneLine(category.name).padEnd(24)} ${paint.cyan(bar)} ${tokens(category.tokens).padStart(8)} ${share.padStart(8)}`;
    });
  const total = `${tokens(used.totalTokens ?? 0)} of ${tokens(max)} tokens (${(used.percentage ?? 0).toFixed(0)} %)`;
  chat.print(['', `  ${paint.bold(`Context of ${oneLine(used.model ?? 'the model')}: ${total}`)}`, ...rows]);
}
