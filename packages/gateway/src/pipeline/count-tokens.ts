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

/** `POST /v1/messages/count_tokens`: counted upstream where that is possible, else estimated. */
export function createCountTokens({ receive, load, log }: CountTokensOptions) {
  return async (incoming: Incoming, requestId: string): Promise<Answer> => {
    const { call } = await receive(incoming, requestId);
    let count: number | undefined;
    try {
      const provider = await load(call.target.dialect);
      count = await provider.countTokens?.(call);
    } catch (error) {
      // An upstream that cannot count is no reason to fail: the client only wants to know when to compact.
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
