/**
 * The real server, as a process of its own, with a scripted model. The client package never imports the server; only
 * its tests start one.
 */
export { script } from '../../../server/test/support/api.ts';
export { cleanUp, startTestServer, type TestServer } from '../../../server/test/support/server.ts';
