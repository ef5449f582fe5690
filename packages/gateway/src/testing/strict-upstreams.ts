import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../messages/types.ts';
import { bedrockFrame } from './dialects.ts';
import {
  type FakeUpstream,
  type SeenRequest,
  sendJson,
  sendSse,
  sseText,
  startUpstream,
} from './upstream.ts';

/**
 * Providers whose models think between tool calls, each with its own demand for the second turn: what came with a call
 * has to come back with it. They refuse a conversation without it, in the words of the real ones, and a call that they
 * never made.
 */
export interface StrictProvider {
  name: string;
  /** The provider's id in the gateway, and the model's name there. */
  id: string;
  model: string;
  /** Settings of the provider entry besides its address. */
  api: string;
  models?: Record<string, JsonObject>;
  /** Answers one request; `step` counts the turns of this conversation, from its results. */
  answer(request: SeenRequest, response: ServerResponse, call: ScriptedCall | undefined): void;
}

/** A call of the script, or undefined for the closing words. */
interface ScriptedCall {
  id: string;
  name: string;
  input: JsonObject;
}

interface ChatBody {
  messages: {
    role: string;
    content?: unknown;
    tool_calls?: { id: string; extra_content?: { google?: { thought_signature?: string } } }[];
    reasoning_content?: string;
    reasoning_details?: { type: string; data?: string; text?: string; signature?: string; id?: string }[];
  }[];
}

const words = 'all three are done';
const chunk = (delta: unknown, finish: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const usageChunk = { choices: [], usage: { prompt_tokens: 100, completion_tokens: 10 } };

/** A whole stream of Chat Completions: what was said, why it ended, what it used. */
function sendChat(response: ServerResponse, said: readonly unknown[], finish: string): void {
  sendSse(response, sseText([...said, chunk({}, finish), usageChunk, '[DONE]']));
}

function chatCalls(body: ChatBody) {
  return body.messages.filter((message) => message.role === 'assistant' && message.tool_calls?.length);
}

function refuse(response: ServerResponse, message: string): void {
  sendJson(response, 400, { error: { message, type: 'invalid_request_error', code: null } });
}

function chatCall({ id, name, input }: ScriptedCall, more: JsonObject = {}) {
  return chunk({
    tool_calls: [
      { index: 0, id, type: 'function', function: { name, arguments: JSON.stringify(input) }, ...more },
    ],
  });
}

const openrouter: StrictProvider = {
  name: 'OpenRouter with reasoning_details',
  id: 'openrouter',
  model: 'vendor/thinker',
  api: 'openai-chat',
  models: { 'vendor/thinker': { context: 200_000, output: 30_000, reasoning: true } },
  answer(request, response, call) {
    const body = request.json() as unknown as ChatBody;
    for (const { tool_calls: calls, reasoning_details: details = [] } of chatCalls(body)) {
      const id = calls?.[0]?.id ?? '';
      const text = details.find((detail) => detail.type === 'reasoning.text');
      const encrypted = details.find((detail) => detail.type === 'reasoning.encrypted');
      if (
        text?.signature !== `SIG-${id}` ||
        text.text !== `thinking of ${id}` ||
        encrypted?.data !== `ENC-${id}`
      ) {
        return refuse(
          response,
          'Provider returned error: thought signatures are missing in reasoning_details',
        );
      }
    }
    if (!call) return sendChat(response, [chunk({ content: words })], 'stop');
    const detail = (value: JsonObject) =>
      chunk({ reasoning_details: [{ format: 'anthropic-claude-v1', ...value }] });
    const [first, second] = [`thinking `, `of ${call.id}`];
    return sendChat(
      response,
      [
        chunk({ reasoning: first, reasoning_details: [{ type: 'reasoning.text', text: first, index: 0 }] }),
        detail({ type: 'reasoning.text', text: second, index: 0 }),
        detail({ type: 'reasoning.text', signature: `SIG-${call.id}`, index: 0 }),
        detail({ type: 'reasoning.encrypted', data: `ENC-${call.id}`, id: call.id, index: 1 }),
        chatCall(call),
      ],
      'tool_calls',
    );
  },
};

const deepseek: StrictProvider = {
  name: 'DeepSeek with reasoning_content, under a name that nobody lists',
  id: 'deepseek',
  model: 'deepseek-of-tomorrow',
  api: 'openai-chat',
  answer(request, response, call) {
    const body = request.json() as unknown as ChatBody;
    for (const [at, { tool_calls: calls, reasoning_content: content }] of chatCalls(body).entries()) {
      if (content !== `thinking of ${calls?.[0]?.id}`) {
        return refuse(
          response,
          `Missing \`reasoning_content\` field in the assistant message at message index ${at}.`,
        );
      }
    }
    if (!call) return sendChat(response, [chunk({ content: words })], 'stop');
    return sendChat(
      response,
      [
        chunk({ reasoning_content: 'thinking ' }),
        chunk({ reasoning_content: `of ${call.id}` }),
        chatCall(call),
      ],
      'tool_calls',
    );
  },
};

interface ResponsesBody {
  input: { type: string; id?: string; role?: string; encrypted_content?: string; call_id?: string }[];
}

const responses: StrictProvider = {
  name: 'Responses with encrypted reasoning',
  id: 'openai',
  model: 'gpt-5',
  api: 'openai-responses',
  answer(request, response, call) {
    const { input } = request.json() as unknown as ResponsesBody;
    for (const [at, item] of input.entries()) {
      const before = input[at - 1];
      const next = input[at + 1];
      if (item.type === 'function_call' && before?.encrypted_content !== `ENC-${item.call_id}`) {
        return refuse(
          response,
          `Item 'fc_${at}' of type 'function_call' was provided without its required 'reasoning' item.`,
        );
      }
      if (item.type !== 'reasoning') continue;
      const follows = next?.type === 'function_call' || next?.role === 'assistant';
      if (!follows || (item.id !== undefined && next?.id === undefined)) {
        return refuse(
          response,
          `Item '${item.id ?? 'rs'}' of type 'reasoning' was provided without its required following item.`,
        );
      }
    }
    const events: JsonObject[] = [];
    const item = (index: number, value: JsonObject) => {
      events.push({
        type: 'response.output_item.added',
        output_index: index,
        item: { ...value, arguments: '' },
      });
      events.push({ type: 'response.output_item.done', output_index: index, item: value });
    };
    if (call) {
      const summary = [{ type: 'summary_text', text: `thinking of ${call.id}` }];
      item(0, { type: 'reasoning', id: `rs_${call.id}`, summary, encrypted_content: `ENC-${call.id}` });
      const { id, name } = call;
      item(1, {
        type: 'function_call',
        id: `fc_${id}`,
        call_id: id,
        name,
        arguments: JSON.stringify(call.input),
      });
    } else
      item(0, {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        content: [{ type: 'output_text', text: words }],
      });
    events.push({
      type: 'response.completed',
      response: { status: 'completed', usage: { input_tokens: 100, output_tokens: 10 } },
    });
    return sendSse(response, sseText(events));
  },
};

interface GeminiBody {
  contents: {
    role: string;
    parts: { functionCall?: { name: string; id?: string }; thoughtSignature?: string }[];
  }[];
}

const gemini: StrictProvider = {
  name: 'Gemini 3 with thought signatures',
  id: 'google',
  model: 'gemini-3-pro-preview',
  api: 'google',
  answer(request, response, call) {
    const { contents } = request.json() as unknown as GeminiBody;
    let nth = 0;
    for (const { role, parts } of contents) {
      const first = role === 'model' ? parts.find((part) => part.functionCall) : undefined;
      if (!first) continue;
      nth += 1;
      if (first.thoughtSignature !== `SIG-call${nth}`) {
        return sendJson(response, 400, {
          error: {
            code: 400,
            status: 'INVALID_ARGUMENT',
            message: `Function call is missing a thought_signature in functionCall parts. Additional data, function call \`default_api:${first.functionCall?.name}\`, position ${nth}.`,
          },
        });
      }
    }
    const parts = call
      ? [
          { text: `thinking of ${call.id}`, thought: true },
          { functionCall: { name: call.name, args: call.input }, thoughtSignature: `SIG-${call.id}` },
        ]
      : [{ text: words, thoughtSignature: 'SIG-text' }];
    return sendSse(
      response,
      sseText([
        { candidates: [{ index: 0, content: { role: 'model', parts } }] },
        {
          candidates: [{ index: 0, content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP' }],
          usageMetadata: {
            promptTokenCount: 100,
            candidatesTokenCount: 10,
            // A modality without a count, as it was recorded.
            promptTokensDetails: [{ modality: 'AUDIO' }, { modality: 'TEXT', tokenCount: 100 }],
          },
        },
      ]),
    );
  },
};

interface BedrockBody {
  messages: {
    role: string;
    content: {
      toolUse?: { toolUseId: string };
      reasoningContent?: { reasoningText?: { text: string; signature?: string } };
    }[];
  }[];
  additionalModelRequestFields?: { thinking?: { type: string } };
}

const bedrockModel = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const bedrock: StrictProvider = {
  name: 'Claude at Bedrock with signatures',
  id: 'amazon-bedrock',
  model: bedrockModel,
  api: 'amazon-bedrock',
  answer(request, response, call) {
    const body = request.json() as unknown as BedrockBody;
    const thinks = body.additionalModelRequestFields?.thinking !== undefined;
    for (const [at, { role, content }] of body.messages.entries()) {
      const used = content.find((block) => block.toolUse)?.toolUse;
      if (role !== 'assistant' || !used || !thinks) continue;
      const thought = content[0]?.reasoningContent?.reasoningText;
      if (!thought) {
        const message = `messages.${at}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`tool_use\`.`;
        return sendJson(response, 400, { message });
      }
      if (thought.signature !== `SIG-${used.toolUseId}` || thought.text !== `thinking of ${used.toolUseId}`) {
        return sendJson(response, 400, {
          message: `messages.${at}.content.0: Invalid \`signature\` in \`thinking\` block`,
        });
      }
    }
    const frames = [bedrockFrame('messageStart', { role: 'assistant' })];
    const delta = (at: number, value: unknown) =>
      frames.push(bedrockFrame('contentBlockDelta', { contentBlockIndex: at, delta: value }));
    const stop = (at: number) => frames.push(bedrockFrame('contentBlockStop', { contentBlockIndex: at }));
    if (call) {
      delta(0, { reasoningContent: { text: `thinking of ${call.id}` } });
      delta(0, { reasoningContent: { signature: `SIG-${call.id}` } });
      stop(0);
      const start = { toolUse: { toolUseId: call.id, name: call.name } };
      frames.push(bedrockFrame('contentBlockStart', { contentBlockIndex: 1, start }));
      delta(1, { toolUse: { input: JSON.stringify(call.input) } });
      stop(1);
    } else {
      delta(0, { text: words });
      stop(0);
    }
    frames.push(bedrockFrame('messageStop', { stopReason: call ? 'tool_use' : 'end_turn' }));
    frames.push(
      bedrockFrame('metadata', { usage: { inputTokens: 100, outputTokens: 10, totalTokens: 110 } }),
    );
    response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
    response.end(Buffer.concat(frames));
    return undefined;
  },
};

export const strictProviders: readonly StrictProvider[] = [openrouter, deepseek, responses, gemini, bedrock];
/** What every script ends with. */
export const lastWords = words;

/** How many of its own calls a conversation holds, whatever the dialect: the place in the script. */
function callsIn(text: string): number {
  return new Set(text.match(/"(?:call_id|tool_call_id|toolUseId)":"call\d+"|"functionResponse"/g)).size;
}

/** Starts a provider that makes the script's calls one after the other, as long as it gets back what it wants. */
export async function startStrict(
  provider: StrictProvider,
  script: readonly Omit<ScriptedCall, 'id'>[],
  isPartOf: (text: string) => boolean = () => true,
): Promise<FakeUpstream & { refusals: string[] }> {
  const refusals: string[] = [];
  const upstream = await startUpstream((request, response) => {
    if (!isPartOf(request.text))
      return sendJson(response, 400, { error: { message: 'not part of the script' } });
    // Gemini gives its calls no ids: there the results are counted.
    const done =
      provider.api === 'google'
        ? (request.text.match(/"functionResponse"/g) ?? []).length
        : callsIn(request.text);
    const next = script[done];
    const end = response.end.bind(response);
    response.end = ((body: string) => {
      if (response.statusCode >= 400) refusals.push(String(body));
      return end(body);
    }) as typeof response.end;
    provider.answer(request, response, next && { id: `call${done + 1}`, ...next });
    return undefined;
  });
  return Object.assign(upstream, { refusals });
}
