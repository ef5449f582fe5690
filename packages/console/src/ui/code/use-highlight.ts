import { useEffect, useState } from 'react';
import type { ColouredText } from './highlight.ts';

/** A text that grows is coloured when it has rested this long. */
const RESTED_MS = 120;

/** The coloured lines of a code, once they are ready; undefined before, and where they stay plain. */
export function useHighlight(code: string, languageOrFile: string): ColouredText[][] | undefined {
  const [coloured, setColoured] = useState<{ code: string; lines: ColouredText[][] | undefined }>();
  useEffect(() => {
    if (languageOrFile === '' || code === '') return;
    let isCurrent = true;
    const timer = setTimeout(() => {
      // Loaded with the first code.
      import('./highlight.ts')
        .then(({ highlighter }) => highlighter.lines(code, languageOrFile))
        .then(
          (lines) => isCurrent && setColoured({ code, lines }),
          // Without its grammar a code is shown as it stands.
          () => undefined,
        );
    }, RESTED_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [code, languageOrFile]);
  return coloured?.code === code ? coloured.lines : undefined;
}
