import { startDemoServer } from 'claude-agent-demo-model';

/** The scripted model as a process of its own, so that neither side of a comparison carries its work. */
const demo = await startDemoServer();
console.log(`listening on ${demo.url}`);
