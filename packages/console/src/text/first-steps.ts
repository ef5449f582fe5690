/** Words for a server that has only the demo model. */
export const firstStepsTexts = {
  title: 'Three things to try',
  hint: 'There is no key for a real model, so a demo model answers. It follows a script, but its tools are real. To use Claude, set ANTHROPIC_API_KEY and start the server again.',
  /** Messages that the demo model understands, and what they show. */
  steps: [
    {
      message: 'write hello.txt with Hello from the console',
      shows: 'A file is written, after you allow it',
    },
    { message: 'run uname -a', shows: 'A command runs, after you allow it' },
    { message: 'tell a story about a lighthouse', shows: 'A long answer streams' },
  ],
};
