import type { Sampler } from '@opentelemetry/sdk-trace';
import type { Origins } from '../origins.ts';
import { createTracing, type Tracing } from './tracing.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Whether OpenTelemetry's own variables ask for traces. */
const isWanted = (env: Env): boolean =>
  Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) &&
  env.OTEL_SDK_DISABLED?.toLowerCase() !== 'true' &&
  (env.OTEL_TRACES_EXPORTER ?? 'otlp') === 'otlp';

/**
 * Traces, if the environment configures an OTLP endpoint; undefined otherwise, and then OpenTelemetry's SDK is not
 * loaded. The exporter reads its other settings (headers, time-out, certificates) from the environment by itself.
 */
export async function startTracing(
  env: Env,
  version: string,
  origins: Pick<Origins, 'of'>,
): Promise<Tracing | undefined> {
  if (!isWanted(env)) return undefined;
  const [sdk, resources, { W3CTraceContextPropagator }, exporter] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
    createExporter(env),
  ]);
  const name = { 'service.name': env.OTEL_SERVICE_NAME ?? 'claude-agent-server', 'service.version': version };
  const provider = new sdk.TracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes(name))
      .merge(resources.detectResources({ detectors: [resources.resourceAttributesEnvDetector] })),
    sampler: samplerOf(sdk, env),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  return createTracing({
    tracer: provider.getTracer('claude-agent-server', version),
    propagator: new W3CTraceContextPropagator(),
    origins,
    close: () => provider.shutdown(),
  });
}

async function createExporter(env: Env) {
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL;
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}

/** As OTEL_TRACES_SAMPLER and its argument say; a trace that a caller samples is continued by default. */
function samplerOf(sdk: typeof import('@opentelemetry/sdk-trace'), env: Env): Sampler {
  const named = env.OTEL_TRACES_SAMPLER ?? 'parentbased_always_on';
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1);
  const [, isParentBased, kind] = /^(parentbased_)?(.+)$/.exec(named) ?? [];
  const root =
    kind === 'always_off'
      ? new sdk.AlwaysOffSampler()
      : kind === 'traceidratio'
        ? new sdk.TraceIdRatioBasedSampler(ratio)
        : new sdk.AlwaysOnSampler();
  return isParentBased ? new sdk.ParentBasedSampler({ root }) : root;
}
