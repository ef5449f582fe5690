import type { UpstreamFailure } from '../../upstream/error.ts';
import type { ModelFacts } from '../../upstream/target.ts';

// Abilities that the catalogue does not list are unknown: images and PDFs are sent, and a refusal teaches that the
// model does not support them. For an hour they are then left out with a note to the model, instead of failing.

const refusals =
  /not support|unsupported|does ?n[o']t (?:accept|support|have)|cannot (?:read|process|accept)|not (?:a )?multi-?modal|not (?:enabled|allowed|available|valid|permitted)|no endpoints found|invalid|only supports? text|expected (?:a )?(?:string|text)|must be (?:a string|text)|unknown variant|should match/i;
const about = {
  images: /image|vision|multi-?modal|input_image|picture/i,
  pdf: /pdf|document|\bfiles?\b|input_file|application\//i,
} as const;

/** The kind of media that a refusal is about, `images` or `pdf`; undefined for other refusals. */
export function mediaLesson(upstream: UpstreamFailure, text: string): 'images' | 'pdf' | undefined {
  if (![400, 404, 415, 422].includes(upstream.status) || !refusals.test(upstream.message)) return undefined;
  const has = {
    images: /"type":"image_url"|"type":"input_image"|"mediaType":"image/.test(text),
    pdf: /"file_data"|"file_url"|"mediaType":"application\/pdf"/.test(text),
  };
  // Sentences about images often contain the word for a file.
  if (has.images && about.images.test(upstream.message)) return 'images';
  return has.pdf && about.pdf.test(upstream.message) ? 'pdf' : undefined;
}

/** A model's facts, updated by its provider's refusals. */
export function factsAfter(facts: ModelFacts, refused: ReadonlySet<string>): ModelFacts {
  if (!refused.has('images') && !refused.has('pdf')) return facts;
  return {
    ...facts,
    ...(refused.has('images') && { images: false }),
    ...(refused.has('pdf') && { pdf: false }),
  };
}
