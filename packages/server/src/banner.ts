import type { ProviderStatus } from 'claude-agent-gateway';
import type { Config } from './config.ts';

const NOT_REAL = 'It is NOT a real model: it follows a script.';

/** Providers that somebody gave a credential, with the name of where it stands. */
export function configured(providers: readonly ProviderStatus[]): ProviderStatus[] {
  return providers.filter(({ ready, given }) => ready && given !== undefined);
}

/** What the start tells the user about models; undefined when there is nothing to say. */
export function banner(
  { demo, credential, model }: Pick<Config, 'demo' | 'credential' | 'model'>,
  providers: readonly ProviderStatus[],
): string | undefined {
  if (demo) return `Started with --demo: the built-in demo model answers. ${NOT_REAL}`;
  if (credential !== undefined) return undefined;
  if (providers.length === 0) {
    return [
      `No credential was found, so sessions use the built-in demo model unless they name another. ${NOT_REAL}`,
      'For Claude, stop the server, set ANTHROPIC_API_KEY (or CLAUDE_CODE_OAUTH_TOKEN, or log in with Claude Code)',
      'and start it again. For another provider, set its key (OPENAI_API_KEY, …) and name the model.',
    ].join('\n  ');
  }
  const names = providers.map(({ name, given }) => `${name} (${given})`).join(', ');
  return [
    `No credential for Claude was found. Model calls go through this server's gateway to: ${names}.`,
    model === undefined
      ? 'Name a model for each session ("model"), or one for all with ANTHROPIC_MODEL.'
      : `Sessions that name no model use ${model}.`,
  ].join('\n  ');
}
