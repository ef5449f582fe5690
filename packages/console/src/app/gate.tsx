import { useQuery } from '@tanstack/react-query';
import { isProblem } from 'claude-agent-client';
import type { ReactNode } from 'react';
import { LiveProvider } from '../api/live-context.tsx';
import { meQuery } from '../api/me.ts';
import { CommandProvider } from '../ui/commands.tsx';
import { Failure, Loading } from '../ui/states.tsx';
import { useRenewal } from './renewal.ts';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in.tsx';

/** Shows the pages to callers that the server knows, and asks the others to sign in. */
export function Gate(): ReactNode {
  const me = useQuery(meQuery);
  useRenewal(me.data);
  // Also of a reader who was known: the key or the sign-in may be over.
  if (isProblem(me.error, 'unauthorized')) return <SignIn />;
  if (me.data) {
    return (
      <LiveProvider>
        <CommandProvider>
          <Shell />
        </CommandProvider>
      </LiveProvider>
    );
  }
  return me.error ? <Failure problem={me.error} retry={() => void me.refetch()} /> : <Loading />;
}
