import { join } from 'node:path';
import { AgentClient, type AgentSession } from 'claude-agent-client';
import { cleanUp, script, startTestServer, type TestServer } from '../../../client/test/support/server.ts';
import { openTerminal, requireTmux, type Terminal } from './terminal.ts';

/** The line at the end of a turn. The price is the SDK's guess for a model that it does not know. */
export const DONE = /^ {2}[\d.]+ m?s · \d+ tokens · \$[\d.]+$/m;
export const READY = 'Type a message, or /help';

export interface ChatOptions {
  args?: string[];
  on?: TestServer;
  columns?: number;
  rows?: number;
}

/** A server, and terminals that talk to it. */
export interface Chats {
  readonly server: TestServer;
  readonly client: AgentClient;
  /** The program in a terminal. */
  open(options?: ChatOptions): Promise<Terminal>;
  /** The same in a new session, once it can be typed to. */
  ready(options?: ChatOptions): Promise<Terminal>;
  /** The same in an open session without messages, for what needs no agent of its own. */
  readyInOpen(options?: ChatOptions): Promise<Terminal>;
  /** The session that was used last: the one on the screen. */
  shownSession(): Promise<AgentSession>;
  /** A prompt that makes the agent write a file. */
  writeFile(name: string, content?: string): string;
  /** Replaces what differs from run to run by a word. */
  stable(screen: string): string;
  closeTerminals(): Promise<void>;
  end(): Promise<void>;
}

/** @param options of the server */
export async function startChats(options?: Parameters<typeof startTestServer>[0]): Promise<Chats> {
  requireTmux();
  const server = await startTestServer(options);
  const client = new AgentClient({ baseUrl: server.url });
  const terminals: Terminal[] = [];
  let openSession: AgentSession | undefined;
  const chats: Chats = {
    server,
    client,
    async open({ args = ['--new'], on = server, ...size } = {}) {
      const terminal = await openTerminal({ args: ['--server', on.url, ...args], cwd: on.root, ...size });
      terminals.push(terminal);
      return terminal;
    },
    async ready(options) {
      const terminal = await chats.open(options);
      await terminal.shows(READY);
      await terminal.shows('demo · ');
      return terminal;
    },
    async readyInOpen(options) {
      openSession ??= await client.sessions.create();
      return chats.ready({ args: ['--resume', openSession.id], ...options });
    },
    async shownSession() {
      const { sessions } = await client.sessions.list({ limit: 1 });
      return client.session(sessions[0]?.session_id ?? '');
    },
    writeFile: (name, content = 'x') =>
      script(
        { tools: [{ name: 'Write', input: { file_path: join(server.root, name), content } }] },
        { say: 'Done.' },
      ),
    stable: (screen) =>
      screen
        .replaceAll(server.url, 'SERVER')
        .replaceAll(server.root, 'ROOT')
        .replace(/[\da-f]{8}-[\da-f-]{27}/g, 'ID')
        .replace(/\d+ ms|\d+\.\d s/g, 'TIME')
        .replace(/\$\d+\.\d+/g, 'PRICE')
        .replace(/^ {2}TIME · \d+ tokens/gm, '  TIME · N tokens')
        .replace(/─{20,}/g, '────')
        .replace(/claude-agent \d+\.\d+\.\d+/, 'claude-agent VERSION'),
    async closeTerminals() {
      for (const terminal of terminals.splice(0)) await terminal.close();
    },
    async end() {
      await chats.closeTerminals();
      await cleanUp(server);
    },
  };
  return chats;
}
