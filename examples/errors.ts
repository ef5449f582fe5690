/** What can go wrong, by its type. */
import { AgentClient, ApiError, ServerUnreachable } from 'claude-agent-client';

const client = new AgentClient({ baseUrl: process.env.CLAUDE_AGENT_SERVER ?? 'http://127.0.0.1:8000' });

try {
  await client.sessions.create({ cwd: '/there/is/no/such/folder' });
} catch (error) {
  if (error instanceof ApiError) console.log(`${error.status} ${error.code}: ${error.detail}`);
  else if (error instanceof ServerUnreachable) console.log('Start a server first.');
  else throw error;
}

const session = await client.sessions.create();
const result = await session.send('fail');
// A turn that ran and failed is a result, not an exception.
if (result.is_error) console.log(`The turn failed: ${result.error?.code}`);
await session.close();
