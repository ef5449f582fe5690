import { useSyncExternalStore } from 'react';

/** Two columns of code need this much room. */
const WIDE = '(min-width: 1280px)';

const watch = (listener: () => void): (() => void) => {
  const query = matchMedia(WIDE);
  query.addEventListener('change', listener);
  return () => query.removeEventListener('change', listener);
};

/** Whether two columns of code fit beside each other. */
export const useIsWide = (): boolean => useSyncExternalStore(watch, () => matchMedia(WIDE).matches);
