import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useEffectEvent,
  useMemo,
  useState,
} from 'react';

/** Something that can be done on the page, from the command palette or by a key. */
export interface Command {
  id: string;
  label: string;
  /** One key (`c`), or two in a row (`g s`). Not while the reader types into a field. */
  keys?: string;
  run(): void;
}

interface Commands {
  all: readonly Command[];
  register(commands: readonly Command[]): () => void;
  isPaletteOpen: boolean;
  openPalette(open: boolean): void;
}

const Context = createContext<Commands>({
  all: [],
  register: () => () => undefined,
  isPaletteOpen: false,
  openPalette: () => undefined,
});

export const useCommandList = (): Commands => useContext(Context);

/** Offers commands while the component is shown. `commands` must keep its identity while it says the same (`useMemo`). */
export function useCommands(commands: readonly Command[]): void {
  const { register } = useContext(Context);
  useEffect(() => register(commands), [register, commands]);
}

/** Two keys belong together when they come within this time. */
const CHORD_MS = 1_000;

export function CommandProvider({ children }: { children: ReactNode }): ReactNode {
  const [groups, setGroups] = useState<readonly (readonly Command[])[]>([]);
  const [isPaletteOpen, openPalette] = useState(false);
  const register = useCallback((commands: readonly Command[]) => {
    setGroups((before) => [...before, commands]);
    return () => setGroups((before) => before.filter((group) => group !== commands));
  }, []);
  const value = useMemo(
    () => ({ all: groups.flat(), register, isPaletteOpen, openPalette }),
    [groups, register, isPaletteOpen],
  );
  useKeys(value.all, () => openPalette(true));
  return <Context value={value}>{children}</Context>;
}

function useKeys(commands: readonly Command[], openPalette: () => void): void {
  const onKey = useEffectEvent((key: string, before: string): boolean => {
    const fits = (wanted: string): Command | undefined => commands.findLast(({ keys }) => keys === wanted);
    const command = (before !== '' && fits(`${before} ${key}`)) || fits(key);
    command?.run();
    return command !== undefined;
  });
  const onPalette = useEffectEvent(openPalette);
  useEffect(() => {
    let before = { key: '', at: 0 };
    const listen = (event: KeyboardEvent): void => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        onPalette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      const last = Date.now() - before.at < CHORD_MS ? before.key : '';
      before = { key: event.key, at: Date.now() };
      if (onKey(event.key, last)) {
        event.preventDefault();
        before = { key: '', at: 0 };
      }
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}

/** Keys belong to fields, and to windows over the page. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    target.closest('[role="dialog"], [role="menu"], [role="listbox"]') !== null
  );
}
