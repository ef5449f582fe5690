import { mediaLesson } from '../shared/media-lessons.ts';
import type { Teach } from '../shared/post-json.ts';

/** `reasoning_content` must not come back; it must, even empty; a user's turn must not follow a tool's result. */
type ChatLesson = 'reasoning_content' | 'reasoning_content=required' | 'user-after-tool' | 'images' | 'pdf';

const wanted = /missing|required|must (?:be|have)|pass(?:ed)? back|should be (?:passed|provided)|is needed/i;
/** Mistral's templates (code 3230), and those with strictly alternating roles. */
const order =
  /unexpected role '?"?user'?"? after role '?"?tool|roles? must alternate|\b3230\b|expected last role|tool[^.]* must be followed by (?:an? )?assistant/i;

/** The lesson of a refusal about the conversation itself. */
export const teachChat: Teach = (upstream, body): ChatLesson | undefined => {
  const { message, code } = upstream;
  const text = JSON.stringify(body.messages);
  const media = mediaLesson(upstream, text);
  if (media) return media;
  if (upstream.status !== 400 && upstream.status !== 422) return undefined;
  if (/reasoning_content/.test(message)) {
    if (wanted.test(message)) return 'reasoning_content=required';
    return text.includes('"reasoning_content"') ? 'reasoning_content' : undefined;
  }
  return order.test(message) || code === '3230' ? 'user-after-tool' : undefined;
};
