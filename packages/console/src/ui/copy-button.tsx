import { Copy } from 'lucide-react';
import type { ReactNode } from 'react';
import { common } from '../text/common.ts';
import { IconButton } from './button.tsx';
import { useToasts } from './toasts.tsx';

/** Puts a text on the clipboard. */
export function CopyButton({ text, label }: { text: string; label: string }): ReactNode {
  const { say, fail } = useToasts();
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(() => say(common.copied), fail);
  };
  return <IconButton label={label} icon={<Copy aria-hidden size={16} />} onClick={copy} />;
}
