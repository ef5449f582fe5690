/**
 * Reads `<think>…</think>` at the beginning of a text (R1 and similar models behind servers without a parser, MiniMax,
 * Perplexity). Later tags are part of the text.
 */
interface ThinkTags {
  push(text: string): { thought: string; text: string };
  /** Returns the text held back as a possible tag. */
  flush(): { thought: string; text: string };
}

const opening = '<think>';
const closing = '</think>';

export function createThinkTags(): ThinkTags {
  let state: 'start' | 'inside' | 'after' | 'over' = 'start';
  let held = '';

  /** The length of the text's end that could be the beginning of the closing tag. */
  function tail(text: string): number {
    for (let size = Math.min(closing.length - 1, text.length); size > 0; size -= 1) {
      if (closing.startsWith(text.slice(-size))) return size;
    }
    return 0;
  }

  function push(chunk: string): { thought: string; text: string } {
    if (state === 'over') return { thought: '', text: chunk };
    let rest = held + chunk;
    held = '';
    let thought = '';
    if (state === 'start') {
      const begun = rest.trimStart();
      if (begun.length < opening.length && opening.startsWith(begun)) {
        held = rest;
        return { thought, text: '' };
      }
      if (!begun.startsWith(opening)) {
        state = 'over';
        return { thought, text: rest };
      }
      state = 'inside';
      rest = begun.slice(opening.length);
    }
    if (state === 'inside') {
      const end = rest.indexOf(closing);
      if (end < 0) {
        const keep = tail(rest);
        held = keep > 0 ? rest.slice(-keep) : '';
        return { thought: keep > 0 ? rest.slice(0, -keep) : rest, text: '' };
      }
      thought = rest.slice(0, end);
      rest = rest.slice(end + closing.length);
      state = 'after';
    }
    // Blank lines between the tag and the text are dropped.
    const text = rest.trimStart();
    if (text !== '') state = 'over';
    return { thought, text };
  }

  return {
    push,
    flush() {
      const rest = held;
      held = '';
      const inside = state === 'inside';
      state = 'over';
      return inside ? { thought: rest, text: '' } : { thought: '', text: rest };
    },
  };
}
