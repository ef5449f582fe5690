import type { Provider } from '../upstream/call.ts';
import type { Dialect } from '../upstream/target.ts';
import type { Answer, Incoming } from './answer.ts';
import type { GatewayHooks } from './hooks.ts';
import type { ReceivedCall } from './receive.ts';

interface CountTokensOptions {
  receive(incoming: Incoming, requestId: string): Promise<ReceivedCall>;
  load(dialect: Dialect): Promise<Provider>;
  log: GatewayHooks['log'];
}

/** `POST /v1/messages/count_tokens`: counted upstream where possible, otherwise estimated. */
export function createCountTokens({ receive, load, log }: CountTokensOptions) {
  return async (incoming: Incoming, requestId: string): Promise<Answer> => {
    const { call } = await receive(incoming, requestId);
    let count: number | undefined;
    try {
      const provider = await load(call.target.dialect);
      count = await provider.countTokens?.(call);
    } catch (error) {
      // Not a failure for the client, which only needs to know when to compact.
      log?.({
        level: 'info',
        message: `count_tokens estimated: ${error instanceof Error ? error.message : String(error)}`,
        request_id: `req_${requestId}`,
      });
    }
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input_tokens: count ?? call.inputTokens() }),
    };
  };
}
