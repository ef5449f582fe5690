import { useCallback, useState } from 'react';

/** What is being written: it outlives a reload of the page. */
export interface Draft {
  text: string;
  setText(text: string): void;
}

export function useDraft(sessionId: string): Draft {
  const key = `draft ${sessionId}`;
  const [text, set] = useState(() => sessionStorage.getItem(key) ?? '');
  const setText = useCallback(
    (next: string) => {
      if (next === '') sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, next);
      set(next);
    },
    [key],
  );
  return { text, setText };
}
