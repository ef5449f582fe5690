import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Link,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { consoleUrl } from '../api/client.ts';
import { parseSearch } from '../pages/sessions/search.ts';
import { common } from '../text/common.ts';
import { Empty, Failure, Loading } from '../ui/states.tsx';
import { Gate } from './gate.tsx';

/** The pages and their addresses. Each page is a chunk of its own, loaded when it is first opened. */
const root = createRootRoute({ component: Gate, notFoundComponent: UnknownPage });

const index = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/sessions', replace: true });
  },
});

const sessions = createRoute({
  getParentRoute: () => root,
  path: '/sessions',
  validateSearch: parseSearch,
  component: lazyRouteComponent(() => import('../pages/sessions/sessions-page.tsx'), 'SessionsPage'),
});

const session = createRoute({
  getParentRoute: () => root,
  path: '/sessions/$sessionId',
  component: lazyRouteComponent(() => import('../pages/session/session-page.tsx'), 'SessionPage'),
});

const inbox = createRoute({
  getParentRoute: () => root,
  path: '/inbox',
  component: lazyRouteComponent(() => import('../pages/inbox/inbox-page.tsx'), 'InboxPage'),
});

const request = createRoute({
  getParentRoute: () => root,
  path: '/inbox/$sessionId/$requestId',
  component: lazyRouteComponent(() => import('../pages/inbox/request-page.tsx'), 'RequestPage'),
});

const usage = createRoute({
  getParentRoute: () => root,
  path: '/usage',
  component: lazyRouteComponent(() => import('../pages/usage/usage-page.tsx'), 'UsagePage'),
});

const gateway = createRoute({
  getParentRoute: () => root,
  path: '/gateway',
  component: lazyRouteComponent(() => import('../pages/gateway/gateway-page.tsx'), 'GatewayPage'),
});

const operations = createRoute({
  getParentRoute: () => root,
  path: '/operations',
  component: lazyRouteComponent(() => import('../pages/operations/operations-page.tsx'), 'OperationsPage'),
});

const routeTree = root.addChildren([index, sessions, session, inbox, request, usage, gateway, operations]);

export const createConsoleRouter = (queries: QueryClient) =>
  createRouter({
    routeTree,
    basepath: consoleUrl.pathname,
    defaultPreload: 'intent',
    defaultPendingComponent: () => <Loading />,
    defaultErrorComponent: ({ error, reset }: ErrorComponentProps) => (
      <Failure
        problem={error}
        retry={() => {
          // What failed is asked for again.
          queries.removeQueries({ predicate: ({ state }) => state.status === 'error' });
          reset();
        }}
      />
    ),
  });

function UnknownPage(): ReactNode {
  return (
    <Empty title={common.unknownPage.title}>
      <Link to="/sessions" className="text-accent underline">
        {common.unknownPage.hint}
      </Link>
    </Empty>
  );
}
