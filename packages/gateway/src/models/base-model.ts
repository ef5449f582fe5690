import type { GatewayConfig } from '../config.ts';

/**
 * The model behind a name: from the configuration, or the end of an inference profile's ARN
 * (`arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-…`), else the name itself.
 */
export function baseModelOf(config: GatewayConfig, provider: string, model: string): string {
  return (
    config.providers[provider]?.models?.[model]?.base_model ??
    model.replace(/^arn:[^/]*inference-profile\//, '')
  );
}
