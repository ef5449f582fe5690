import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { Activity, ChartColumn, Inbox, MessagesSquare, Search, Server } from 'lucide-react';
import { type ReactNode, Suspense, useMemo } from 'react';
import { inboxQuery } from '../api/inbox.ts';
import { useConnection } from '../api/live-context.tsx';
import { useMe } from '../api/me.ts';
import { Notifier } from '../pages/inbox/notifier.tsx';
import { common } from '../text/common.ts';
import { IconButton } from '../ui/button.tsx';
import { type Command, useCommandList, useCommands } from '../ui/commands.tsx';
import { Loading } from '../ui/states.tsx';
import { AccountMenu } from './account-menu.tsx';
import { Palette } from './palette.tsx';

const PAGES = [
  { to: '/sessions', label: common.nav.sessions, icon: MessagesSquare, keys: 'g s' },
  { to: '/inbox', label: common.nav.inbox, icon: Inbox, keys: 'g i' },
  { to: '/usage', label: common.nav.usage, icon: ChartColumn, keys: 'g u' },
  { to: '/gateway', label: common.nav.gateway, icon: Activity, keys: 'g g' },
  { to: '/operations', label: common.nav.operations, icon: Server, keys: 'g o' },
] as const;

/** What stands around every page: the way to the others, the state of the connection, the command palette. */
export function Shell(): ReactNode {
  const navigate = useNavigate();
  const commands = useMemo<Command[]>(
    () => PAGES.map(({ to, label, keys }) => ({ id: to, label, keys, run: () => void navigate({ to }) })),
    [navigate],
  );
  useCommands(commands);
  return (
    <div className="flex h-full flex-col md:flex-row">
      <button
        type="button"
        onClick={() => document.getElementById('content')?.focus()}
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-2"
      >
        {common.nav.skip}
      </button>
      <nav
        aria-label={common.nav.label}
        className="order-last flex shrink-0 border-t bg-sunken md:order-first md:w-48 md:flex-col md:gap-1 md:border-t-0 md:border-r md:p-2"
      >
        <div className="hidden items-center gap-2 px-2 py-1.5 font-semibold whitespace-nowrap md:flex">
          <img src="icon.svg" alt="" width={20} height={20} />
          {common.product}
        </div>
        {PAGES.map((page) => (
          <PageLink key={page.to} {...page} />
        ))}
        <div className="hidden grow md:block" />
        <div className="hidden items-center md:flex">
          <Tools />
        </div>
      </nav>
      <div className="flex min-h-0 min-w-0 grow flex-col">
        <Connection />
        <div className="flex items-center justify-end border-b bg-sunken px-2 md:hidden">
          <Tools />
        </div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must get there (axe: scrollable-region-focusable) */}
        <main id="content" tabIndex={0} className="min-h-0 grow overflow-y-auto outline-none">
          <Suspense fallback={<Loading />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <Palette />
      <Notifier />
    </div>
  );
}

/** Who is signed in, and the command palette. */
function Tools(): ReactNode {
  const { openPalette } = useCommandList();
  return (
    <>
      <AccountMenu />
      <span className="grow" />
      <IconButton
        label={common.palette.open}
        icon={<Search aria-hidden size={16} className="shrink-0" />}
        onClick={() => openPalette(true)}
      />
    </>
  );
}

function PageLink({ to, label, icon: Icon }: (typeof PAGES)[number]): ReactNode {
  const { may } = useMe();
  const inbox = useQuery({ ...inboxQuery, enabled: may('read') });
  const waiting = to === '/inbox' ? (inbox.data?.permissions.length ?? 0) : 0;
  return (
    <Link
      to={to}
      className="tap flex grow flex-col items-center justify-center gap-0.5 py-1.5 text-xs text-muted hover:bg-hover hover:text-ink md:grow-0 md:flex-row md:justify-start md:gap-2 md:rounded-md md:px-2 md:text-sm"
      activeProps={{ className: 'text-ink font-semibold md:bg-hover', 'aria-current': 'page' }}
    >
      <span className="relative">
        <Icon aria-hidden size={18} />
        {waiting > 0 && (
          <span
            role="img"
            aria-label={common.waiting(waiting)}
            className="absolute -top-1.5 -right-2.5 min-w-4 md:-right-1.5 rounded-full bg-accent px-1 text-center text-[10px] leading-4 font-semibold text-accent-ink"
          >
            {waiting > 99 ? '99+' : waiting}
          </span>
        )}
      </span>
      {label}
    </Link>
  );
}

/** Says when what is on the screen may be old. */
function Connection(): ReactNode {
  const connection = useConnection();
  return (
    <div role="status">
      {connection === 'retrying' && (
        <p className="bg-warn-soft px-4 py-1 text-center text-warn">
          {navigator.onLine ? common.connection.retrying : common.connection.offline}
        </p>
      )}
    </div>
  );
}
