import type { AiSdkDialect, ModelFacts } from '../../upstream/target.ts';

/** The target of a conversion. */
export interface AiSdkOptions {
  provider: string;
  dialect: AiSdkDialect;
  model: string;
  facts: ModelFacts;
  /** For the retry after a refusal: without thinking blocks in the history, and with thinking off. */
  withoutThinking?: boolean;
  /** Earlier refusals of this upstream. */
  refused?: ReadonlySet<string>;
}
