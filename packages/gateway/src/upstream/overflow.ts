import type { UpstreamFailure } from './error.ts';

const overflowWords =
  /context[_ ]length|context window|maximum context|max(imum)? (prompt|context|model) length|prompt is too long|prompt too long|too many (input )?tokens|input is too long|input length|input token count|reduce the length|available context size|exceeds? the (model'?s )?(context|max(imum)? (number of )?(input )?tokens)|exceed_context_size|too large for model|input tokens exceeded|too_many_prompt_tokens|exceeded model token limit|exceeds max length|prompt token count of|`inputs` (tokens \+|must have less than)/i;

/** Too many tokens per minute, not in a prompt. (`rate` is also part of other words, such as `generate`.) */
const rateWords = /\brate\b|\brate_?limit|quota|per minute|\bTPM\b/i;

/** Whether an upstream refused a prompt because it is too long. */
export function isOverflow(upstream: UpstreamFailure): boolean {
  if (
    upstream.status !== 400 &&
    upstream.status !== 413 &&
    upstream.status !== 422 &&
    upstream.status < 500
  ) {
    return false;
  }
  if (rateWords.test(upstream.message) && !/context/i.test(upstream.message)) return false;
  return overflowWords.test(upstream.message) || overflowWords.test(upstream.code ?? '');
}

interface Numbers {
  input: number;
  output: number | undefined;
  limit: number;
}

const number = '([\\d][\\d,_]*)';
const toNumber = (text: string | undefined): number => Number((text ?? '0').replace(/[,_]/g, ''));

/** Parses the parts of a total: "7000 in the messages, 500 in the functions, 2000 in the completion". */
function addParts(text: string): Omit<Numbers, 'limit'> {
  let input = 0;
  let output: number | undefined;
  for (const [, amount, kind = ''] of text.matchAll(new RegExp(`${number}([^\\d]*)`, 'g'))) {
    if (/completion|output/i.test(kind)) output = (output ?? 0) + toNumber(amount);
    else input += toNumber(amount);
  }
  return { input, output };
}

/** OpenAI, vLLM, DeepSeek, OpenRouter: limit, total, and often the parts. */
const withParts = new RegExp(
  `maximum context length (?:is|of) ${number}\\D+${number} tokens?(?: \\(|: )(${number} [^).]*)`,
  'i',
);

const limitFirst = ([limit = 0, input = 0]: number[]): Numbers => ({ input, output: undefined, limit });
const inputFirst = ([input = 0, limit = 0]: number[]): Numbers => ({ input, output: undefined, limit });

/** How providers state both numbers, each in its own order. */
const forms: { pattern: RegExp; read(groups: number[]): Numbers }[] = [
  {
    pattern: new RegExp(
      `(?:maximum context length|max(?:imum)? prompt length|context window)\\D*?${number}\\D+${number}`,
      'i',
    ),
    read: limitFirst,
  },
  // Copilot: "prompt token count of A exceeds the limit of B".
  {
    pattern: new RegExp(`prompt token count of ${number} exceeds the limit of ${number}`, 'i'),
    read: inputFirst,
  },
  // Kimi states only the limit.
  {
    pattern: new RegExp(`exceeded model token limit:? ${number}`, 'i'),
    read: ([limit = 0]) => ({ input: 0, output: undefined, limit }),
  },
  // Fireworks: "The prompt is too long: N, model maximum context length: M".
  {
    pattern: new RegExp(`prompt is too long: ${number},? model maximum context length: ${number}`, 'i'),
    read: inputFirst,
  },
  // TGI, Together.
  {
    pattern: new RegExp(
      `\`inputs\` tokens \\+ \`max_new_tokens\` must be <= ${number}\\D+${number} \`inputs\` tokens and ${number}`,
      'i',
    ),
    read: ([limit = 0, input = 0, output = 0]) => ({ input, output, limit }),
  },
  {
    pattern: new RegExp(`\`inputs\` must have less than ${number} tokens\\D+${number}`, 'i'),
    read: limitFirst,
  },
  // Cohere.
  {
    pattern: new RegExp(`cannot exceed ${number} - received ${number}`, 'i'),
    read: limitFirst,
  },
  // Gemini: tokens, then limit.
  {
    pattern: new RegExp(`input token count \\(?${number}\\)?\\D+${number}`, 'i'),
    read: inputFirst,
  },
  // Anthropic's own words.
  {
    pattern: new RegExp(`prompt is too long: ${number} tokens > ${number}`, 'i'),
    read: inputFirst,
  },
  {
    pattern: new RegExp(`contains ${number} tokens.*?with ${number} maximum`, 'i'),
    read: inputFirst,
  },
  // Mistral: "Prompt contains N tokens ... M maximum context length"; llama.cpp: "request (N tokens) exceeds ... (M
  // tokens)".
  {
    pattern: new RegExp(`(?:contains|request) \\(?${number} tokens\\D+${number}`, 'i'),
    read: inputFirst,
  },
];

function numbersIn(message: string): Numbers | undefined {
  const parts = withParts.exec(message);
  if (parts) {
    const numbers = { ...addParts(parts[3] ?? ''), limit: toNumber(parts[1]) };
    if (numbers.limit > 0 && numbers.input > 0) return numbers;
  }
  for (const form of forms) {
    const match = form.pattern.exec(message);
    if (!match) continue;
    const numbers = form.read(match.slice(1).map(toNumber));
    if (numbers.limit > 0) return numbers;
  }
  return undefined;
}

/** The gateway's own numbers, for an upstream that states none. */
export interface OverflowFacts {
  inputTokens: number;
  maxTokens: number | undefined;
  context: number | undefined;
}

/** The message that makes the client compact, or ask for less output: it parses the numbers. */
export function overflowMessage(message: string, facts: OverflowFacts): string {
  const found = numbersIn(message);
  const limit = found?.limit ?? facts.context ?? facts.inputTokens;
  const output = found?.output ?? (found && found.input < limit ? facts.maxTokens : undefined);
  // The provider counts prompt and answer together, and the prompt alone would fit.
  if (
    found &&
    found.input > 0 &&
    output !== undefined &&
    found.input < limit &&
    found.input + output > limit
  ) {
    return `input length and \`max_tokens\` exceed context limit: ${found.input} + ${output} > ${limit}, decrease input length or \`max_tokens\` and try again`;
  }
  const input = found?.input || facts.inputTokens;
  return `prompt is too long: ${Math.max(input, limit + 1)} tokens > ${limit} maximum`;
}
