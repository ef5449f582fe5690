/** What can go wrong, by its type. */
import { AgentClient, ApiError, isProblem, ServerUnreachable } from 'claude-agent-client';

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

for await (const turn of client.list('listTurns', { params: { session_id: session.id } })) {
  console.log(turn.state, turn.message);
}
await session.close();

try {
  await session.send('say hello', { whenBusy: 'reject' });
} catch (error) {
  if (!isProblem(error, 'session_closed', 'session_busy')) throw error;
  switch (error.code) {
    case 'session_closed':
      console.log(`Resume it: ${error.detail}`);
      break;
    case 'session_busy':
      console.log(`Try again later: ${error.detail}`);
  }
}
