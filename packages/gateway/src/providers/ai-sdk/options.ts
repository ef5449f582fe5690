import type { AiSdkDialect, ModelFacts } from '../../upstream/target.ts';

/** What a request is converted for. */
export interface AiSdkOptions {
  provider: string;
  dialect: AiSdkDialect;
  model: string;
  facts: ModelFacts;
  /** Sent once more after a refusal: without the thoughts of the history, and without the wish for new ones. */
  withoutThinking?: boolean;
  /** What this upstream has refused before. */
  refused?: ReadonlySet<string>;
}
