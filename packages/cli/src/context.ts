import type { ReadStream, WriteStream } from 'node:tty';
import type { AgentClient } from 'claude-agent-client';
import type { Args } from './args.ts';
import type { Settings } from './settings.ts';
import type { Paint } from './term/style.ts';

/** What every command is given. */
export interface Context {
  args: Args;
  settings: Settings;
  client: AgentClient;
  paint: Paint;
  stdin: NodeJS.ReadStream | ReadStream;
  stdout: NodeJS.WriteStream | WriteStream;
  stderr: NodeJS.WriteStream | WriteStream;
}
