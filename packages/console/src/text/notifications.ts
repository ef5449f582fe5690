/** Words about notifications. */
export const notificationTexts = {
  open: 'Notifications',
  title: 'Notifications of new requests',
  untitled: 'A session',
  waits: (tool: string): string => `${tool} waits for your answer`,
  desktop: {
    label: 'While the console is open in the background',
    hint: 'This browser shows a note when something waits and you look elsewhere.',
  },
  push: {
    label: 'Also when the console is closed (Web Push)',
    hint: 'The push service of your browser passes on the title of the session and the name of the tool, encrypted for this device.',
    off: 'The administrator of this server has not switched it on ("push_contact").',
    unsupported:
      'This browser does not support it here. It needs HTTPS, and on an iPhone the console on the home screen.',
    test: 'Send a test',
    tested: 'A test message is on its way.',
  },
  denied: 'This browser blocks notifications of this site. Allow them in its settings first.',
  role: 'Your role cannot answer requests, so nothing is sent.',
};
