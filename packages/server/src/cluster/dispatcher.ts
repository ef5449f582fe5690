import { Agent } from 'undici';

/**
 * Connections to other nodes. A waiting message gets no byte until its turn ends, and a stream may be silent: no time-outs
 * but that of connecting.
 */
export const createDispatcher = (): Agent =>
  new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 2000 } });
