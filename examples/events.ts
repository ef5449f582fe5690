/** Another reader of the same session: it may come late, and miss nothing. */
import { AgentClient } from 'claude-agent-client';

const client = new AgentClient({ baseUrl: process.env.CLAUDE_AGENT_SERVER ?? 'http://127.0.0.1:8000' });
const session = await client.sessions.create();
await session.send('say something worth reading');

// From the first event; after a lost connection, from the last one seen.
for await (const frame of client.session(session.id).events({ after: 0 })) {
  if (!('seq' in frame)) continue;
  console.log(frame.seq, frame.type);
  if (frame.type === 'turn.completed') break;
}
await session.close();
