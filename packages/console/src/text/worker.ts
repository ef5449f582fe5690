/** Words of the service worker: it is a file of its own, so it shares no texts with the pages. */
export const workerTexts = {
  title: 'Claude agents',
  untitled: 'A session',
  waits: (tool: string): string => `${tool} waits for your answer`,
  kinds: {
    question: 'A question waits for your answer',
    plan: 'A plan waits for your approval',
    elicitation: 'A form waits for you to fill it in',
  } as Readonly<Record<string, string>>,
  test: 'Notifications of this console arrive on this device.',
  other: 'Something waits for your answer',
  offline: {
    title: 'Offline',
    text: 'Your device has no connection to the server. The console needs it to show what agents do.',
    retry: 'Try again',
  },
};
