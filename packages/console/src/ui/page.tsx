import { type ReactNode, useEffect } from 'react';
import { common } from '../text/common.ts';

interface PageProps {
  title: string;
  /** Buttons beside the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page with its title, which the tab shows too. */
export function Page({ title, actions, children }: PageProps): ReactNode {
  useTitle(title);
  return (
    <div className="flex min-h-full flex-col">
      <header className="flex flex-wrap items-center gap-2 border-b px-4 py-2.5">
        <h1 className="grow text-lg font-semibold">{title}</h1>
        {actions}
      </header>
      <div className="min-h-0 grow p-4">{children}</div>
    </div>
  );
}

/** Names the tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${common.product}`;
  }, [title]);
}
