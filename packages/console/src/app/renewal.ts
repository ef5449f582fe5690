import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { type Me, meQuery } from '../api/me.ts';
import { renewSignIn } from '../api/sign-in.ts';

/** Of the time that is left, so that a provider that is away for a moment can be asked again. */
const PART = 0.8;
/** Also where the clocks of server and browser differ by more than a token lives. */
const SHORTEST_MS = 15_000;
/** The longest time that a timer can have, 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** Renews the sign-in of a user of an identity provider before it ends; when it has ended, the page asks to sign in. */
export function useRenewal(me: Me | undefined): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!me?.expires_at) return;
    const left = Date.parse(me.expires_at) - Date.now();
    let timer: ReturnType<typeof setTimeout>;
    const after = (ms: number, run: () => void): void => {
      timer = setTimeout(run, Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS));
    };
    const askWhoItIs = (): void => void queries.invalidateQueries({ queryKey: meQuery.queryKey });
    const isMine = { current: true };
    after(left * PART, async () => {
      const renewed = await renewSignIn(me).catch(() => undefined);
      if (!isMine.current) return;
      if (renewed) queries.setQueryData(meQuery.queryKey, renewed);
      else after(Date.parse(me.expires_at ?? '') - Date.now(), askWhoItIs);
    });
    return () => {
      isMine.current = false;
      clearTimeout(timer);
    };
  }, [me, queries]);
}
