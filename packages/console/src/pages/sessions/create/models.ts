import type { OfferedModel } from 'claude-agent-protocol';
import { formatCompact, formatCost } from '../../../format/format.ts';
import { sessionsTexts } from '../../../text/sessions.ts';

const texts = sessionsTexts.form;
/** So many are shown; typing finds the others. */
const SHOWN = 50;

/** Models whose names have all the words that were typed; those that begin with them come first. */
export function findModels(models: readonly OfferedModel[], typed: string): OfferedModel[] {
  const words = typed
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = models.filter(({ id }) => words.every((word) => id.toLowerCase().includes(word)));
  const begins = ({ id }: OfferedModel): boolean =>
    words[0] !== undefined && id.toLowerCase().startsWith(words[0]);
  return [...found.filter(begins), ...found.filter((model) => !begins(model))].slice(0, SHOWN);
}

/** What is known of a model, in a line. */
export function describeModel({ kind, price, context_window: window }: OfferedModel): string {
  const parts = [
    kind === 'alias' ? texts.alias : '',
    price === null
      ? ''
      : price.input === 0 && price.output === 0
        ? texts.free
        : texts.price(formatCost(price.input), formatCost(price.output)),
    window === null ? '' : texts.context(formatCompact(window)),
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
