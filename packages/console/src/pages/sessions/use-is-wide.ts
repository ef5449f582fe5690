import { useSyncExternalStore } from 'react';

/** As Tailwind's `md`. */
const wide = matchMedia('(min-width: 48rem)');

function watch(listener: () => void): () => void {
  wide.addEventListener('change', listener);
  return () => wide.removeEventListener('change', listener);
}

/** Whether there is room for columns. */
export const useIsWide = (): boolean => useSyncExternalStore(watch, () => wide.matches);
