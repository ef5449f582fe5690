/** An answer as it is written, word by word. */
import { AgentClient } from 'claude-agent-client';

const client = new AgentClient({ baseUrl: process.env.CLAUDE_AGENT_SERVER ?? 'http://127.0.0.1:8000' });
const session = await client.sessions.create();

for await (const frame of session.send('count to 5')) {
  if (frame.type === 'agent.delta') {
    const { event } = frame.data as { event?: { delta?: { text?: string } } };
    process.stdout.write(event?.delta?.text ?? '');
  } else if (frame.type === 'turn.completed') {
    console.log(`\n${frame.data.result.num_turns} model answer`);
  }
}
await session.close();
