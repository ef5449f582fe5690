/**
 * Looks for stop sequences in a streamed text, for providers that have none (OpenAI Responses) or do not say which one
 * matched (OpenAI Chat). Only text that could be the beginning of a stop sequence is held back.
 */
interface StopScanner {
  push(text: string): { text: string; match?: string };
  flush(): string;
}

export function createStopScanner(sequences: readonly string[]): StopScanner {
  const wanted = sequences.filter((sequence) => sequence !== '');
  let held = '';

  function longestPrefixAtEnd(text: string): number {
    let longest = 0;
    for (const sequence of wanted) {
      for (let size = Math.min(sequence.length - 1, text.length); size > longest; size -= 1) {
        if (text.endsWith(sequence.slice(0, size))) {
          longest = size;
          break;
        }
      }
    }
    return longest;
  }

  return {
    push(text) {
      const all = held + text;
      let at = -1;
      let match: string | undefined;
      for (const sequence of wanted) {
        const found = all.indexOf(sequence);
        if (found >= 0 && (at < 0 || found < at)) {
          at = found;
          match = sequence;
        }
      }
      if (match !== undefined) {
        held = '';
        return { text: all.slice(0, at), match };
      }
      const keep = longestPrefixAtEnd(all);
      held = keep > 0 ? all.slice(-keep) : '';
      return { text: keep > 0 ? all.slice(0, -keep) : all };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}
