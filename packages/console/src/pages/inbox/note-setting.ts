const NAME = 'notes';

/** Whether the reader wants notes in this browser, and the browser allows them. */
export const wantsNotes = (): boolean =>
  'Notification' in window && Notification.permission === 'granted' && localStorage.getItem(NAME) === 'on';

export const setNotes = (on: boolean): void => localStorage.setItem(NAME, on ? 'on' : 'off');
