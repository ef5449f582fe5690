import { useQuery } from '@tanstack/react-query';
import { isProblem } from 'claude-agent-client';
import type { ReactNode } from 'react';
import { LiveProvider } from '../api/live-context.tsx';
import { meQuery } from '../api/me.ts';
import { CommandProvider } from '../ui/commands.tsx';
import { Failure, Loading } from '../ui/states.tsx';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in.tsx';

/** Shows the pages to callers that the server knows, and asks the others to sign in. */
export function Gate(): ReactNode {
  const me = useQuery(meQuery);
  if (me.data) {
    return (
      <LiveProvider>
        <CommandProvider>
          <Shell />
        </CommandProvider>
      </LiveProvider>
    );
  }
  if (isProblem(me.error, 'unauthorized')) return <SignIn />;
  return me.error ? <Failure problem={me.error} retry={() => void me.refetch()} /> : <Loading />;
}
