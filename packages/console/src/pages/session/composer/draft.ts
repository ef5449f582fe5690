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
}

export function useDraft(sessionId: string): Draft {
  const key = `draft ${sessionId}`;
  const [text, set] = useState(() => sessionStorage.getItem(key) ?? '');
  const [attachments, setAttachments] = useState<readonly Attachment[]>([]);
  const setText = useCallback(
    (next: string) => {
      if (next === '') sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, next);
      set(next);
    },
    [key],
  );
  return {
    text,
    attachments,
    setText,
    setAttachments,
    add(message) {
      setText([text, message.text].filter((part) => part !== '').join('\n'));
      setAttachments((before) => [...before, ...message.attachments]);
    },
  };
}
