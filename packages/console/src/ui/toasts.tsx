import { Toast as Radix } from 'radix-ui';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { messageOf } from '../api/message-of.ts';
import { common } from '../text/common.ts';
import { Button } from './button.tsx';
import { classNames } from './class-names.ts';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action?: { label: string; run(): void };
}

/** Short notes at the edge of the screen; read aloud too. */
export interface Toasts {
  say(text: string, action?: Toast['action']): void;
  /** Says what went wrong. */
  fail(problem: unknown): void;
}

const Context = createContext<Toasts>({ say: () => undefined, fail: () => undefined });

/** Notes that come after something was done. */
export const useToasts = (): Toasts => useContext(Context);

export function ToastProvider({ children }: { children: ReactNode }): ReactNode {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const add = useCallback(
    (toast: Omit<Toast, 'id'>) =>
      setToasts((before) => [...before.slice(-3), { ...toast, id: (before.at(-1)?.id ?? 0) + 1 }]),
    [],
  );
  const value = useMemo<Toasts>(
    () => ({
      say: (text, action) => add({ text, bad: false, ...(action && { action }) }),
      fail: (problem) => add({ text: messageOf(problem), bad: true }),
    }),
    [add],
  );
  const remove = (id: number): void => setToasts((before) => before.filter((toast) => toast.id !== id));
  return (
    <Context value={value}>
      <Radix.Provider swipeDirection="right">
        {children}
        {toasts.map(({ id, text, bad, action }) => (
          <Radix.Root
            key={id}
            duration={bad ? 10_000 : 4_000}
            onOpenChange={(open) => !open && remove(id)}
            className={classNames(
              'flex items-center gap-3 rounded-lg border p-3 shadow-lg',
              bad ? 'bg-bad-soft text-bad' : 'bg-raised text-ink',
            )}
          >
            <Radix.Description className="grow">{text}</Radix.Description>
            {action && (
              <Radix.Action altText={action.label} asChild>
                <Button onClick={action.run}>{action.label}</Button>
              </Radix.Action>
            )}
            <Radix.Close asChild>
              <Button look="ghost">{common.close}</Button>
            </Radix.Close>
          </Radix.Root>
        ))}
        <Radix.Viewport className="fixed right-0 bottom-0 z-60 flex w-full flex-col gap-2 p-4 sm:w-96" />
      </Radix.Provider>
    </Context>
  );
}
