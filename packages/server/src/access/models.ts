import type { Subject } from 'claude-agent-gateway';
import { sentenceOf } from 'claude-agent-protocol/problems';
import type { Owned, Store } from '../store/store.ts';
import { type PolicySettings, policiesOf, type RestrictionsOf } from './policies.ts';

/**
 * Which models may be called through the gateway: those that the policies of the session or of the key allow. An agent
 * chooses models by itself too (for titles, for subagents), so its calls are compared, not only its session's options.
 * @returns gives the sentence of a refusal; undefined where no policy names models
 */
export function createModelRule(
  settings: PolicySettings,
  restrictionsOf: RestrictionsOf,
  store: Pick<Store, 'whose'>,
): ((subject: Subject, model: string) => Promise<string | undefined>) | undefined {
  if (policiesOf(settings).every(({ models }) => models === undefined)) return undefined;
  return async ({ sessionId, keyId = null, tenant = '' }, model) => {
    const owned: Owned | undefined =
      sessionId === undefined ? { tenant, createdBy: keyId } : await store.whose(sessionId);
    const { allowsModel, models } = restrictionsOf(owned ?? NOBODY);
    if (allowsModel(model)) return undefined;
    return sentenceOf('policy_forbids', { what: `the model ${model}`, allowed: models });
  };
}

/** A session that is gone: what holds for all. */
const NOBODY: Owned = { tenant: '', createdBy: null };
