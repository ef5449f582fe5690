/**
 * A program for the agent SDK, with its permission callback. Only the import differs:
 *
 *     import { query } from '@anthropic-ai/claude-agent-sdk';
 */
import { query } from 'claude-agent-client';

for await (const message of query({
  prompt: 'write greeting.txt with Hello from afar',
  options: {
    maxTurns: 5,
    permissionMode: 'default',
    canUseTool: async (toolName, input) => {
      console.log(`May it use ${toolName}?`);
      if (toolName === 'Bash') return { behavior: 'deny', message: 'No commands, please.' };
      return { behavior: 'allow', updatedInput: input };
    },
  },
})) {
  if (message.type === 'assistant') {
    for (const block of message.message.content) {
      if (block.type === 'text') console.log(block.text);
      else if (block.type === 'tool_use') console.log(`Tool: ${block.name}`);
    }
  } else if (message.type === 'result') {
    console.log(`Done: ${message.subtype}, ${message.num_turns} turns`);
  }
}
