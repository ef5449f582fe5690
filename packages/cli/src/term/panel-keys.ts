import type { Key } from './keys.ts';
import type { Panel } from './panels.ts';

export interface OpenPanel {
  panel: Panel<unknown>;
  /** When it came up on the screen; 0 until then. */
  shownAt: number;
  settle(value: unknown): void;
}

/** Keys go to the message that is being typed when a panel opens, until a pause of this length. */
const GUARD_MS = 700;
/** A letter answers when nothing follows it for this long: the first letter of a sentence does not. */
const HOLD_MS = 150;
/** After that much silence a typed sentence is over. */
const PAUSE_MS = 500;
/** How long the rest of a word, or an Enter, still belongs to a letter that has answered. */
const REST_MS = 800;

export interface PanelKeys {
  /** True when the key was for a panel, or for one that has just closed; false when it is the message's. */
  take(key: Key, open: OpenPanel | undefined): boolean;
  /** Tells that the user writes a message right now, or has just sent it. */
  typed(isSent: boolean): void;
  close(): void;
}

/**
 * Keys on their way to a panel. A panel opens on its own, perhaps in the middle of a message: keys meant for the
 * message must not allow a command. And when `yes` and Enter are typed, as at an old prompt, the rest of the word must
 * not answer the next panel.
 */
export function createPanelKeys(): PanelKeys {
  let lastTyped = Number.NEGATIVE_INFINITY;
  let ignoreUntil = 0;
  let held: { timer: NodeJS.Timeout; rest: string; answer(): void; panel: OpenPanel } | undefined;
  let answered: { rest: string; until: number } | undefined;

  const release = (): void => {
    const waiting = held;
    if (!waiting) return;
    clearTimeout(waiting.timer);
    held = undefined;
    answered = { rest: waiting.rest, until: performance.now() + REST_MS };
    waiting.answer();
  };

  /** A key while a letter waits: more of the same word, Enter, or a sentence. */
  const whileHeld = (key: Key, now: number): void => {
    if (!held) return;
    if (key.name === 'enter') {
      release();
      answered = undefined;
    } else if (key.text !== '' && held.rest.startsWith(key.text.toLowerCase())) {
      held.rest = held.rest.slice(1);
      held.timer.refresh();
    } else {
      clearTimeout(held.timer);
      held = undefined;
      ignoreUntil = now + PAUSE_MS;
    }
  };

  const isRestOfAnswer = (key: Key, now: number): boolean => {
    if (!answered || now > answered.until) return false;
    const isRest = key.text !== '' && answered.rest.startsWith(key.text.toLowerCase());
    answered = isRest ? { ...answered, rest: answered.rest.slice(1) } : undefined;
    return isRest || key.name === 'enter';
  };

  return {
    typed(isSent) {
      lastTyped = isSent ? Number.NEGATIVE_INFINITY : performance.now();
    },
    close() {
      clearTimeout(held?.timer);
      held = undefined;
    },
    take(key, open) {
      const now = performance.now();
      if (held && held.panel !== open) this.close();
      if (held) {
        whileHeld(key, now);
        return true;
      }
      if (isRestOfAnswer(key, now)) return true;
      if (!open) return false;
      const isLeaving = key.ctrl && key.name === 'c';
      const isGuarded =
        open.shownAt - lastTyped < GUARD_MS && now - Math.max(open.shownAt, lastTyped) < GUARD_MS;
      // Neither an answer nor lost: it belongs to the message that is being written.
      if (!isLeaving && (open.shownAt === 0 || isGuarded)) return false;
      // The Enter at the end of a sentence is part of it.
      if ((key.text !== '' || key.name === 'enter') && now < ignoreUntil) {
        ignoreUntil = key.name === 'enter' ? 0 : now + PAUSE_MS;
        return true;
      }
      const { letters } = open.panel;
      if (letters !== undefined && key.text !== '' && !letters.includes(key.text.toLowerCase())) {
        ignoreUntil = now + PAUSE_MS;
        return true;
      }
      const outcome = open.panel.key(key);
      const isLetter = key.text !== '' && !key.paste;
      if (!outcome) {
        // Also a letter that does not answer, such as `d`, has its Enter: it must not answer in its place.
        if (isLetter && letters !== undefined) answered = { rest: '', until: now + REST_MS };
      } else if (outcome.rest === undefined) {
        open.settle(outcome.done);
        // The Enter after a number that chose must not choose in the next panel.
        if (isLetter) answered = { rest: '', until: now + REST_MS };
      } else {
        const answer = (): void => open.settle(outcome.done);
        held = { timer: setTimeout(release, HOLD_MS), rest: outcome.rest, answer, panel: open };
      }
      return true;
    },
  };
}
