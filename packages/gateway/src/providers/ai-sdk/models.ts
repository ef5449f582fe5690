import type { LanguageModelV4 } from '@ai-sdk/provider';
import { transportFetch } from '../../transport/fetch.ts';
import type { Call } from '../../upstream/call.ts';
import { type AiSdkDialect, settingsOf } from '../../upstream/target.ts';
import { isClaude } from './thinking.ts';
import { wireTransport } from './wire.ts';

export type ModelFactory = (call: Call) => LanguageModelV4;

interface SdkProvider {
  languageModel(model: string): LanguageModelV4;
}

/** Loads a provider's package and returns a factory for its models. */
export async function loadFactory(dialect: AiSdkDialect): Promise<ModelFactory> {
  switch (dialect) {
    case 'google': {
      const { createGoogle } = await import('@ai-sdk/google');
      return modelsOf((call) =>
        createGoogle({ ...common(call, dialect), apiKey: settingsOf(call.target, dialect).key ?? 'none' }),
      );
    }
    case 'google-vertex': {
      const { createGoogleVertex } = await import('@ai-sdk/google-vertex');
      const { createGoogleVertexMaas } = await import('@ai-sdk/google-vertex/maas');
      return modelsOf((call) => {
        const { key, openModels } = settingsOf(call.target, dialect);
        const settings = vertex(call, dialect);
        if (!openModels) return createGoogleVertex({ ...settings, ...(key && { apiKey: key }) });
        const open = createGoogleVertexMaas(settings);
        return { languageModel: (model) => withoutOptions(open.languageModel(model)) };
      });
    }
    case 'google-vertex-anthropic': {
      const { createGoogleVertexAnthropic } = await import('@ai-sdk/google-vertex/anthropic');
      return modelsOf((call) => createGoogleVertexAnthropic(vertex(call, dialect)));
    }
    case 'amazon-bedrock': {
      const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
      return modelsOf((call) => createAmazonBedrock(bedrock(call)));
    }
    case 'cohere': {
      const { createCohere } = await import('@ai-sdk/cohere');
      return modelsOf((call) =>
        createCohere({ ...common(call, dialect), apiKey: settingsOf(call.target, dialect).key ?? 'none' }),
      );
    }
  }
}

/** Removes options for Gemini: the package for open models would copy them into the request's body. */
function withoutOptions(model: LanguageModelV4): LanguageModelV4 {
  return {
    specificationVersion: model.specificationVersion,
    provider: model.provider,
    modelId: model.modelId,
    supportedUrls: model.supportedUrls,
    doGenerate: ({ providerOptions: _options, ...rest }) => model.doGenerate(rest),
    doStream: ({ providerOptions: _options, ...rest }) => model.doStream(rest),
  };
}

/**
 * Caches one provider for each address: Vertex's package keeps Google's access token in it, and a new provider would
 * have to fetch a token before each request.
 */
function modelsOf(create: (call: Call) => SdkProvider): ModelFactory {
  const made = new Map<string, SdkProvider>();
  return (call) => {
    const { provider, model, baseUrl } = call.target;
    const key = `${provider} ${baseUrl} ${isClaude(call.target)}`;
    const known = made.get(key) ?? create(call);
    made.set(key, known);
    return known.languageModel(model);
  };
}

function common(call: Call, dialect: AiSdkDialect) {
  const { baseUrl, timeoutMs, idleTimeoutMs, headers } = call.target;
  // The package writes its own credential header; the configuration's other headers are kept.
  const { authorization: _authorization, ...extra } = headers;
  return {
    fetch: transportFetch(wireTransport(call.send, dialect, call.target), { timeoutMs, idleTimeoutMs }),
    headers: extra,
    ...(baseUrl === '' ? {} : { baseURL: baseUrl }),
  };
}

function vertex(call: Call, dialect: 'google-vertex' | 'google-vertex-anthropic') {
  const { project, location, credentials } = settingsOf(call.target, dialect);
  return {
    ...common(call, dialect),
    ...(project ? { project } : {}),
    ...(location ? { location } : {}),
    ...(credentials ? { googleAuthOptions: { keyFilename: credentials } } : {}),
  };
}

function bedrock(call: Call) {
  const { key, region } = settingsOf(call.target, 'amazon-bedrock');
  return {
    ...common(call, 'amazon-bedrock'),
    region,
    // With an access key, wire.ts signs the request after the package, which still needs a value here.
    apiKey: key ?? 'signed-later',
    // The package cannot tell from an inference profile's name that it is a Claude.
    ...(isClaude(call.target) && { modelFamily: 'anthropic' as const }),
  };
}
