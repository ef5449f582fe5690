import { useCallback, useState } from 'react';
import type { Attachment } from './attachments.ts';

/** What is being written: its text outlives a reload of the page. */
export interface Draft {
  text: string;
  attachments: readonly Attachment[];
  setText(text: string): void;
  setAttachments(change: (before: readonly Attachment[]) => readonly Attachment[]): void;
  /** Puts a message that was sent behind what is being written. */
  add(message: { text: string; attachments: readonly Attachment[] }): void;
  /** Puts a message that could not be sent in front of what was written since. */
  putBack(message: { text: string; attachments: readonly Attachment[] }): void;
}

export function useDraft(sessionId: string): Draft {
  const key = `draft ${sessionId}`;
  const [text, set] = useState(() => sessionStorage.getItem(key) ?? '');
  const [attachments, setAttachments] = useState<readonly Attachment[]>([]);
  const change = useCallback(
    (make: (before: string) => string) =>
      set((before) => {
        const next = make(before);
        if (next === '') sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, next);
        return next;
      }),
    [key],
  );
  return {
    text,
    attachments,
    setText: (next) => change(() => next),
    setAttachments,
    add(message) {
      change((before) => joined(before, message.text));
      setAttachments((before) => [...before, ...message.attachments]);
    },
    putBack(message) {
      change((before) => joined(message.text, before));
      // The same ones, so that the same message is known again.
      setAttachments((before) =>
        before.length === 0 ? message.attachments : [...message.attachments, ...before],
      );
    },
  };
}

const joined = (...parts: string[]): string => parts.filter((part) => part !== '').join('\n');
