import { useQueryClient } from '@tanstack/react-query';
import type { SessionEvent } from 'claude-agent-client';
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useEffectEvent,
  useState,
  useSyncExternalStore,
} from 'react';
import { client } from './client.ts';
import { createLive, type Live, type LiveConnection } from './live.ts';

const Context = createContext<Live | undefined>(undefined);

/** Keeps everything below it up to date while it is shown. */
export function LiveProvider({ children }: { children: ReactNode }): ReactNode {
  const queries = useQueryClient();
  const [live, setLive] = useState<Live>();
  useEffect(() => {
    const started = createLive(client, queries);
    setLive(started);
    return () => started.stop();
  }, [queries]);
  return <Context value={live}>{children}</Context>;
}

/** Calls back with every control event while the component is shown, and with the id of each session that is erased. */
export function useLiveEvents(
  listener: (event: SessionEvent) => void,
  erased?: (sessionId: string) => void,
): void {
  const live = useContext(Context);
  const onEvent = useEffectEvent(listener);
  const onErased = useEffectEvent((id: string) => erased?.(id));
  useEffect(
    () => live?.subscribe({ onEvent: (event) => onEvent(event), onErased: (id) => onErased(id) }),
    [live],
  );
}

const never = (): (() => void) => () => undefined;

export function useConnection(): LiveConnection {
  const live = useContext(Context);
  return useSyncExternalStore(live?.watchConnection ?? never, () => live?.connection() ?? 'connecting');
}
