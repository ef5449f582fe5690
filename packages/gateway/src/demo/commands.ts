import type { Conversation, MessagesRequest } from './conversation.ts';
import type { Step } from './script.ts';

/** Answers a prompt that no script matched. */
export function answerCommand(conversation: Conversation, _request: MessagesRequest): Step {
  const said = /^\s*say\s+([\s\S]+)/i.exec(conversation.prompt)?.[1];
  if (said) return { say: said };
  return { say: 'This is a scripted demo model, not a real one.' };
}
