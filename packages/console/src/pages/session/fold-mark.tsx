import { ChevronRight } from 'lucide-react';
import type { ReactNode } from 'react';
import { classNames } from '../../ui/class-names.ts';

/** The arrow of something that folds. */
export function FoldMark({ isOpen, className }: { isOpen: boolean; className?: string }): ReactNode {
  return (
    <ChevronRight
      aria-hidden
      size={14}
      className={classNames(
        'shrink-0 transition-transform motion-reduce:transition-none',
        isOpen && 'rotate-90',
        className,
      )}
    />
  );
}
