import type { Provenance } from '../../messages/provenance.ts';
import type { Sequencer } from '../../messages/sequencer.ts';
import type { JsonObject } from '../../messages/types.ts';
import type { ChatDelta, ReasoningDetail } from './types.ts';

/** Data that providers require with an assistant's turn later; the client keeps it (`Provenance.data`). */
export interface KeptReasoning {
  /** The field of the thoughts: they go back in the same field if the provider accepts it. */
  field?: 'reasoning_content' | 'reasoning' | 'reasoning_text';
  /** OpenRouter: texts, summaries, encrypted parts, each with its id, format and signature. */
  details?: ReasoningDetail[];
  /** GitHub Copilot. */
  opaque?: string;
  /** Gemini behind OpenAI's API: `google.thought_signature`, of the turn or of one call. */
  extra?: JsonObject;
}

/** Reads thoughts from wherever a provider puts them, and signs them with what it wants back. */
interface ReasoningReader {
  read(delta: ChatDelta, whole: boolean): void;
  /** A thought outside its own field: in tags in the text, or in a list of parts. */
  thought(text: string): void;
  /** Signs the thoughts so far, because other content or the end follows. */
  close(): void;
}

export function createReasoningReader(provider: string, sequencer: Sequencer): ReasoningReader {
  let isOpen = false;
  let kept: KeptReasoning = {};

  function think(text: string | null | undefined, field?: KeptReasoning['field']): boolean {
    if (!text) return false;
    isOpen = true;
    if (field) kept.field = field;
    sequencer.thinking(text);
    return true;
  }

  return {
    read(delta, whole) {
      const said =
        think(delta.reasoning_content, 'reasoning_content') ||
        think(delta.reasoning, 'reasoning') ||
        think(delta.reasoning_text, 'reasoning_text');
      for (const detail of delta.reasoning_details ?? []) {
        kept.details ??= [];
        addDetail(kept.details, detail, whole);
        // Most providers also send the same as plain text.
        if (!said) think(detail.text ?? detail.summary);
      }
      if (delta.reasoning_opaque) kept.opaque = (kept.opaque ?? '') + delta.reasoning_opaque;
      if (delta.extra_content) kept.extra = delta.extra_content;
    },
    thought(text) {
      think(text);
    },
    close() {
      const data = Object.keys(kept).length > 0 ? kept : undefined;
      if (!isOpen && !data) return;
      const provenance: Provenance = { from: provider, ...(data && { data }) };
      if (isOpen) sequencer.sign(provenance);
      else sequencer.keep(provenance);
      isOpen = false;
      kept = {};
    },
  };
}

/** Joins the deltas of an entry, which share an index; OpenRouter requires whole entries back, in order. */
function addDetail(details: ReasoningDetail[], chunk: ReasoningDetail, whole: boolean): void {
  const last = details.at(-1);
  const isMore =
    !whole &&
    last !== undefined &&
    last.type === chunk.type &&
    (last.index ?? 0) === (chunk.index ?? 0) &&
    (!last.id || !chunk.id || last.id === chunk.id) &&
    !(last.data && chunk.data);
  if (!isMore) {
    details.push({ ...chunk });
    return;
  }
  const { text, summary, ...rest } = chunk;
  for (const [name, value] of Object.entries(rest)) {
    if (value !== null && value !== undefined) last[name] = value;
  }
  if (text) last.text = (last.text ?? '') + text;
  if (summary) last.summary = (last.summary ?? '') + summary;
}
