import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { UsageRecord } from 'claude-agent-gateway';
import type { Change } from '../../store/store.ts';
import { keep, type Origins } from '../origins.ts';
import { createSessionSpans } from './session-spans.ts';

type Headers = Record<string, string | string[] | undefined>;

/** The span of a request to this server. */
export interface RequestTrace {
  context: Context;
  /** The headers that continue its trace elsewhere. */
  headers(): Record<string, string>;
  end(route: string | undefined, status: number): void;
}

/** Spans from the request through turn, tool and subagent to the provider. */
export interface Tracing {
  /** @param agent the session whose agent sends it: it belongs to the turn that runs there */
  startRequest(
    request: { method: string; path: string; requestId: string; headers: Headers },
    agent: string | undefined,
  ): Promise<RequestTrace>;
  /** A model call begins. @returns headers for the requests to its provider */
  startModelCall(call: { request_id: string; model: string; headers: Headers }): Record<string, string>;
  endModelCall(record: UsageRecord): void;
  onChange(change: Change): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

export interface TracingDeps {
  tracer: Tracer;
  propagator: TextMapPropagator<Headers>;
  origins: Pick<Origins, 'of'>;
  close(): Promise<void>;
}

export function createTracing({ tracer, propagator, origins, close }: TracingDeps): Tracing {
  const sessions = createSessionSpans(tracer, origins);
  const calls = new Map<string, Span>();

  const extract = (headers: Headers): Context =>
    propagator.extract(ROOT_CONTEXT, headers, {
      get: (carrier, key) => carrier[key],
      keys: Object.keys,
    });
  const inject = (context: Context): Record<string, string> => {
    const headers: Record<string, string> = {};
    propagator.inject(context, headers, {
      set: (_, key, value) => {
        headers[key] = value;
      },
    });
    return headers;
  };

  return {
    async startRequest({ method, path, requestId, headers }, agent) {
      const parent =
        (agent && (await sessions.contextOf(agent, textOf(headers['x-claude-code-agent-id'])))) ||
        extract(headers);
      const span = tracer.startSpan(
        method,
        {
          kind: SpanKind.SERVER,
          attributes: {
            'http.request.method': method,
            'url.path': path,
            'claude_agent.request_id': requestId,
          },
        },
        parent,
      );
      const context = trace.setSpan(parent, span);
      return {
        context,
        headers: () => inject(context),
        end(route, status) {
          if (route !== undefined) {
            span.updateName(`${method} ${route}`);
            span.setAttribute('http.route', route);
          }
          span.setAttribute('http.response.status_code', status);
          if (status >= 500) {
            span.setAttribute('error.type', String(status));
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
    },

    startModelCall({ request_id, model, headers }) {
      const parent = extract(headers);
      const span = tracer.startSpan(
        `chat ${model}`,
        {
          kind: SpanKind.CLIENT,
          attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': model },
        },
        parent,
      );
      keep(calls, request_id, span);
      return inject(trace.setSpan(parent, span));
    },

    endModelCall(record) {
      const span = calls.get(record.request_id);
      if (!span) return;
      calls.delete(record.request_id);
      span.setAttributes({
        ...(record.provider !== undefined && { 'gen_ai.provider.name': record.provider }),
        ...(record.model !== undefined && { 'gen_ai.response.model': record.model }),
        ...(record.session_id !== undefined && { 'gen_ai.conversation.id': record.session_id }),
        ...(record.cost_usd !== undefined && { 'claude_agent.cost_usd': record.cost_usd }),
        'gen_ai.usage.input_tokens':
          record.input_tokens + record.cache_read_input_tokens + record.cache_creation_input_tokens,
        'gen_ai.usage.output_tokens': record.output_tokens,
        'gen_ai.usage.cache_read.input_tokens': record.cache_read_input_tokens,
        'gen_ai.usage.cache_creation.input_tokens': record.cache_creation_input_tokens,
        'http.response.status_code': record.status,
        ...(record.ttft_ms !== undefined && { 'claude_agent.first_event_ms': record.ttft_ms }),
      });
      if (record.error !== undefined) {
        span.setAttribute('error.type', record.error);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },

    onChange: sessions.onChange,
    close,
  };
}

const textOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' ? header : header?.[0];
