import { AwsV4Signer } from 'aws4fetch';
import { isObject } from '../../messages/is-object.ts';
import { createSseParser } from '../../messages/sse.ts';
import type { JsonObject } from '../../messages/types.ts';
import type { Transport, UpstreamRequest, UpstreamResponse } from '../../transport/transport.ts';
import { type AiSdkDialect, settingsOf, type Target } from '../../upstream/target.ts';
import { separated } from '../shared/stream.ts';
import { knownFrames } from './bedrock-frames.ts';

// The provider packages drop some of what their providers send and need, and fail on other parts. The JSON between a
// package and its provider is corrected here.

/** Carries `WireNotes` from the conversion to here: packages pass on only headers unchanged. */
const notesHeader = 'x-gateway-notes';

/** What a package's options cannot express. */
export interface WireNotes {
  /** Ids of tool calls that failed. */
  errors?: string[];
  /** The text beside a turn's calls, by the id of the first call. */
  plans?: Record<string, string>;
}

export function packNotes(notes: WireNotes): Record<string, string> {
  if (!notes.errors?.length && Object.keys(notes.plans ?? {}).length === 0) return {};
  return { [notesHeader]: Buffer.from(JSON.stringify(notes)).toString('base64url') };
}

/** A transport for one provider's package. */
export function wireTransport(send: Transport, dialect: AiSdkDialect, target: Target): Transport {
  return async (request) => {
    const { [notesHeader]: packed, ...headers } = request.headers;
    const notes: WireNotes = packed
      ? (JSON.parse(Buffer.from(packed, 'base64url').toString()) as WireNotes)
      : {};
    const body = request.body === undefined ? undefined : patchRequest(request.body, dialect, notes);
    const patched: UpstreamRequest = { ...request, headers, ...(body !== undefined && { body }) };
    const response = await send(dialect === 'amazon-bedrock' ? await signed(patched, target) : patched);
    return patchResponse(response, dialect);
  };
}

function patchRequest(
  body: Uint8Array | string,
  dialect: AiSdkDialect,
  notes: WireNotes,
): Uint8Array | string {
  if (!notes.errors?.length && !notes.plans) return body;
  const json = JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString()) as JsonObject;
  const messages = Array.isArray(json.messages) ? json.messages.filter(isObject) : [];
  if (dialect === 'amazon-bedrock') markErrors(messages, new Set(notes.errors));
  if (dialect === 'cohere') addPlans(messages, notes.plans ?? {});
  return JSON.stringify(json);
}

/** Bedrock's `toolResult.status`. */
function markErrors(messages: readonly JsonObject[], errors: ReadonlySet<string>): void {
  for (const { content } of messages) {
    for (const block of Array.isArray(content) ? content : []) {
      const result: unknown = isObject(block) ? block.toolResult : undefined;
      if (isObject(result) && errors.has(String(result.toolUseId))) result.status = 'error';
    }
  }
}

/** Cohere's `tool_plan`: the model's text before its calls. Its package omits it from the history. */
function addPlans(messages: readonly JsonObject[], plans: Readonly<Record<string, string>>): void {
  for (const message of messages) {
    const [first]: unknown[] = Array.isArray(message.tool_calls) ? message.tool_calls : [];
    const plan = isObject(first) ? plans[String(first.id)] : undefined;
    if (plan) message.tool_plan = plan;
  }
}

/** Signs a request for AWS. The package's own signature would not cover the changes made here. */
async function signed(request: UpstreamRequest, target: Target): Promise<UpstreamRequest> {
  const { key, accessKey, region } = settingsOf(target, 'amazon-bedrock');
  if (!accessKey || key) return request;
  const { authorization: _bearer, ...headers } = request.headers;
  const signer = new AwsV4Signer({
    url: request.url,
    method: request.method,
    headers: Object.entries(headers) as [string, string][],
    ...(request.body !== undefined && { body: request.body as BodyInit }),
    region,
    service: 'bedrock',
    accessKeyId: accessKey.id,
    secretAccessKey: accessKey.secret,
    ...(accessKey.sessionToken && { sessionToken: accessKey.sessionToken }),
  });
  const { headers: withSignature } = await signer.sign();
  return { ...request, headers: Object.fromEntries(withSignature) };
}

function patchResponse(response: UpstreamResponse, dialect: AiSdkDialect): UpstreamResponse {
  const isStream = response.headers['content-type']?.includes('event') ?? false;
  if (response.status >= 400 || !isStream) return response;
  if (dialect === 'amazon-bedrock') return { ...response, body: knownFrames(response.body) };
  if (dialect === 'google' || dialect === 'google-vertex') {
    return { ...response, body: mapEvents(response.body, (data) => [onlyNeeded(data)]) };
  }
  return dialect === 'cohere'
    ? { ...response, body: mapEvents(response.body, createPlanReader()) }
    : response;
}

/** Rewrites the JSON object of each event; other data is passed through. */
async function* mapEvents(
  body: AsyncIterable<Uint8Array>,
  change: (data: JsonObject) => unknown[],
): AsyncGenerator<Uint8Array> {
  const reader = createSseParser();
  const rewritten = (messages: { event: string; data: string }[]): Uint8Array | undefined => {
    let out = '';
    for (const { event, data } of messages) {
      let json: unknown;
      try {
        json = JSON.parse(data);
      } catch {
        json = undefined;
      }
      const texts = isObject(json) ? change(json).map((value) => JSON.stringify(value)) : [data];
      for (const text of texts)
        out += `event: ${event}\n${text
          .split('\n')
          .map((line) => `data: ${line}\n`)
          .join('')}\n`;
    }
    return out === '' ? undefined : Buffer.from(out);
  };
  for await (const bytes of body) {
    const events = rewritten(reader.push(bytes).flatMap(separated));
    if (events) yield events;
  }
  const rest = rewritten(reader.end().flatMap(separated));
  if (rest) yield rest;
}

/**
 * Gemini's answer without the fields that the gateway does not need: the package validates everything, and one odd
 * detail (a modality without a count) would lose the whole answer.
 */
function onlyNeeded(data: JsonObject): JsonObject {
  const { usageMetadata, candidates, ...rest } = data;
  // Open models at Vertex answer in Chat Completions, and errors have their own format.
  if (candidates === undefined && usageMetadata === undefined && rest.promptFeedback === undefined)
    return data;
  return {
    ...('error' in rest && { error: rest.error }),
    ...(isObject(rest.promptFeedback) && {
      promptFeedback: { blockReason: rest.promptFeedback.blockReason ?? null },
    }),
    ...(isObject(usageMetadata) && {
      usageMetadata: Object.fromEntries(
        Object.entries(usageMetadata).filter(([, value]) => typeof value === 'number'),
      ),
    }),
    ...(Array.isArray(candidates) && { candidates: candidates.filter(isObject).map(neededCandidate) }),
  };
}

function neededCandidate({ content, finishReason, groundingMetadata }: JsonObject): JsonObject {
  return {
    ...(isObject(content) && { content }),
    ...(typeof finishReason === 'string' && { finishReason }),
    ...(isObject(groundingMetadata) && { groundingMetadata: neededGrounding(groundingMetadata) }),
  };
}

/** Just enough to show that there were sources. */
function neededGrounding({ groundingChunks }: JsonObject): JsonObject {
  const chunks = (Array.isArray(groundingChunks) ? groundingChunks : []).flatMap((chunk) =>
    isObject(chunk) && isObject(chunk.web) && typeof chunk.web.uri === 'string'
      ? [
          {
            web: {
              uri: chunk.web.uri,
              ...(typeof chunk.web.title === 'string' && { title: chunk.web.title }),
            },
          },
        ]
      : [],
  );
  return { groundingChunks: chunks };
}

/** Above all indices of real content. */
const planIndex = 9_999;

/** Turns Cohere's plan before its calls, which the package ignores, into thinking. */
function createPlanReader(): (data: JsonObject) => JsonObject[] {
  let isOpen = false;
  const part = (type: string, delta?: JsonObject) => ({
    type,
    index: planIndex,
    ...(delta && { delta: { message: { content: delta } } }),
  });
  return (data) => {
    if (data.type === 'tool-plan-delta') {
      const { delta } = data as { delta?: { message?: { tool_plan?: string } } };
      const thinking = delta?.message?.tool_plan ?? '';
      const start = isOpen ? [] : [part('content-start', { type: 'thinking', thinking: '' })];
      isOpen = true;
      return [...start, part('content-delta', { thinking })];
    }
    if (!isOpen) return [data];
    isOpen = false;
    return [part('content-end'), data];
  };
}
