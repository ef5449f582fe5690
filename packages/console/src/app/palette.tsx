import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Command } from 'cmdk';
import { type ReactNode, useDeferredValue, useState } from 'react';
import { client } from '../api/client.ts';
import { common } from '../text/common.ts';
import { useCommandList } from '../ui/commands.tsx';

const ITEM = 'tap flex min-h-9 items-center gap-2 rounded-md px-2 data-[selected=true]:bg-hover';
const GROUP =
  '[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-muted';
const FOUND = 8;

/** Everything by its name: pages, actions of the page that is shown, and sessions. */
export function Palette(): ReactNode {
  const { all, isPaletteOpen, openPalette } = useCommandList();
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const q = useDeferredValue(text.trim());
  const found = useQuery({
    queryKey: ['sessions', 'palette', q],
    queryFn: () => client.sessions.list({ limit: FOUND, status: 'all', ...(q !== '' && { q }) }),
    enabled: isPaletteOpen,
  });
  const sessions = found.data?.sessions ?? [];
  const choose = (run: () => void): void => {
    openPalette(false);
    setText('');
    run();
  };
  return (
    <Command.Dialog
      open={isPaletteOpen}
      onOpenChange={openPalette}
      label={common.palette.label}
      overlayClassName="fixed inset-0 z-40 bg-black/45"
      contentClassName="fixed top-[10vh] left-1/2 z-50 w-[min(38rem,94vw)] -translate-x-1/2 rounded-lg border bg-raised shadow-xl"
    >
      <Command.Input
        value={text}
        onValueChange={setText}
        placeholder={common.palette.label}
        className="w-full border-b bg-transparent px-4 py-3 outline-none placeholder:text-muted"
      />
      <Command.List className="max-h-[60vh] overflow-y-auto p-1">
        <Command.Empty className="p-4 text-center text-muted">{common.palette.empty}</Command.Empty>
        <Command.Group heading={common.palette.actions} className={GROUP}>
          {all.map(({ id, label, keys, run }) => (
            <Command.Item key={id} value={`${label} ${id}`} onSelect={() => choose(run)} className={ITEM}>
              <span className="grow">{label}</span>
              {keys !== undefined && <kbd className="font-mono text-xs text-muted">{keys}</kbd>}
            </Command.Item>
          ))}
        </Command.Group>
        {sessions.length > 0 && (
          <Command.Group heading={common.palette.sessions} className={GROUP}>
            {sessions.map(({ session_id: sessionId, title, cwd }) => (
              <Command.Item
                key={sessionId}
                value={`${title ?? ''} ${cwd} ${q} ${sessionId}`}
                onSelect={() =>
                  choose(() => void navigate({ to: '/sessions/$sessionId', params: { sessionId } }))
                }
                className={ITEM}
              >
                <span className="grow truncate">{title ?? sessionId}</span>
                <span className="max-w-1/2 truncate text-xs text-muted">{cwd}</span>
              </Command.Item>
            ))}
          </Command.Group>
        )}
      </Command.List>
    </Command.Dialog>
  );
}
