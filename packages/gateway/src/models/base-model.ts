import type { GatewayConfig } from '../config.ts';

/**
 * The model that a name stands for: what the configuration says, or what an inference profile's ARN ends with
 * (`arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-…`). Other names stand for themselves.
 */
export function baseModelOf(config: GatewayConfig, provider: string, model: string): string {
  return (
    config.providers[provider]?.models?.[model]?.base_model ??
    model.replace(/^arn:[^/]*inference-profile\//, '')
  );
}
