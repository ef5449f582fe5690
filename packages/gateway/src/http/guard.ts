import type { IncomingMessage } from 'node:http';
import { foreignPage } from 'claude-agent-protocol/same-machine';
import { type Failure, failure } from '../messages/errors.ts';

/** Refuses requests from web pages: a gateway without keys serves programs on this machine only. */
export function refusePages({ headers: { host, origin } }: IncomingMessage): Failure | undefined {
  switch (foreignPage({ host, origin }, true)) {
    case 'host':
      return failure(403, `This gateway answers to 127.0.0.1 and localhost, not to "${host ?? ''}".`);
    case 'origin':
      return failure(403, `Web pages of ${origin} may not call this gateway: it has no \`keys\`.`);
    case undefined:
      return undefined;
  }
}
