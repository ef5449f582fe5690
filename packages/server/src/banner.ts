import type { ProviderStatus } from 'claude-agent-gateway';
import type { Config } from './config.ts';

const NOT_REAL = 'It is NOT a real model; it follows a script.';

/** Providers with a credential, and the name of its source. */
export function configured(providers: readonly ProviderStatus[]): ProviderStatus[] {
  return providers.filter(({ ready, given }) => ready && given !== undefined);
}

/** What the user should know about models at the start; undefined when there is nothing to say. */
export function banner(
  { demo, credential, model }: Pick<Config, 'demo' | 'credential' | 'model'>,
  providers: readonly ProviderStatus[],
): string | undefined {
  if (demo) return `Started with --demo: the built-in demo model answers every call. ${NOT_REAL}`;
  if (credential !== undefined) return undefined;
  if (providers.length === 0) {
    return [
      `No credential found: sessions use the built-in demo model unless they name another. ${NOT_REAL}`,
      'To use Claude, set ANTHROPIC_API_KEY (or CLAUDE_CODE_OAUTH_TOKEN, or log in with Claude Code) and restart.',
      'To use another provider, set its key (OPENAI_API_KEY, …), restart, and name a model.',
    ].join('\n  ');
  }
  const names = providers.map(({ name, given }) => `${name} (${given})`).join(', ');
  return [
    `No credential for Claude found. Model calls go through the gateway to: ${names}.`,
    model === undefined
      ? 'Name a model in each session ("model"), or set ANTHROPIC_MODEL for all.'
      : `Sessions without a model use ${model}.`,
  ].join('\n  ');
}
