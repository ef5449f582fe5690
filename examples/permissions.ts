/** Permission prompts answered by a rule: files may be written, commands may not be run. */
import { AgentClient } from 'claude-agent-client';

const client = new AgentClient({ baseUrl: process.env.CLAUDE_AGENT_SERVER ?? 'http://127.0.0.1:8000' });
const session = await client.sessions.create();

const stop = session.onPermission((request) => {
  console.log(`${request.tool_name} asks`);
  if (request.tool_name === 'Write') return true;
  return { allowed: false, message: 'Only files may be written here.' };
});
await session.send('write allowed.txt with some text');
await session.send('run touch denied.txt');
stop();
await session.close();
