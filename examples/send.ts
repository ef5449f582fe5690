/** A session, a question, its answer. */
import { AgentClient } from 'claude-agent-client';

const client = new AgentClient({ baseUrl: process.env.CLAUDE_AGENT_SERVER ?? 'http://127.0.0.1:8000' });
const session = await client.sessions.create({ title: 'An example' });

const result = await session.send('say Hello, world');
for (const item of result.messages) {
  if (item.type === 'text') console.log(item.content);
}

// The same conversation continues.
const next = await session.send('what did I say');
console.log(next.is_error ? next.error?.message : `Turn ${next.turn_id} took ${next.duration_ms} ms`);
await session.close();
