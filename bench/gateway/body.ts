/**
 * A request like the first one of an agent's turn: 42 KB, 12 tools (one deferred), a long system prompt, thinking,
 * context management and metadata. The shape is what Claude Code sends; the words are filler of the same length.
 */
export function agentRequest(model: string, stream: boolean): string {
  const filler = (length: number) =>
    'The agent reads this text before it does anything. '.repeat(length / 51 + 1).slice(0, length);
  const tool = (at: number) => ({
    name: `Tool${at}`,
    description: filler(2_000),
    input_schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 5 }, (_, field) => [
          `field_${field}`,
          { type: 'string', description: filler(90) },
        ]),
      ),
      required: ['field_0'],
      additionalProperties: false,
    },
    ...(at === 11 ? { defer_loading: true } : {}),
  });
  return JSON.stringify({
    model,
    max_tokens: 32_000,
    stream,
    system: [
      { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.0; cc_entrypoint=sdk-ts' },
      { type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: filler(6_000), cache_control: { type: 'ephemeral' } },
    ],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: `<system-reminder>${filler(1_500)}</system-reminder>` },
          { type: 'text', text: 'Say something.', cache_control: { type: 'ephemeral' } },
        ],
      },
    ],
    tools: Array.from({ length: 12 }, (_, at) => tool(at)),
    thinking: { type: 'adaptive', display: 'summarized' },
    context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
    output_config: { effort: 'medium' },
    metadata: {
      user_id: JSON.stringify({ device_id: 'd', session_id: '11111111-2222-3333-4444-555555555555' }),
    },
  });
}
