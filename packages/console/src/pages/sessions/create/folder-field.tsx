import { useInfiniteQuery } from '@tanstack/react-query';
import { CornerLeftUp, Folder as FolderIcon, FolderOpen } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { client } from '../../../api/client.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Button } from '../../../ui/button.tsx';
import { Checkbox, TextField } from '../../../ui/field.tsx';
import { Failure, Loading } from '../../../ui/states.tsx';

const texts = sessionsTexts.folders;
const PAGE_SIZE = 200;

interface FolderFieldProps {
  label: string;
  hint?: string;
  error?: string | undefined;
  value: string;
  onChange(path: string): void;
}

/** A folder of the server: its path, typed or found by looking through the folders that are allowed. */
export function FolderField({ label, hint, error, value, onChange }: FolderFieldProps): ReactNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <div className="flex flex-col gap-2">
      <div className="flex items-start gap-2">
        <div className="min-w-0 grow">
          <TextField
            label={label}
            hint={hint}
            error={error}
            value={value}
            spellCheck={false}
            autoCapitalize="none"
            className="font-mono text-xs"
            onChange={(event) => onChange(event.target.value)}
          />
        </div>
        <Button
          aria-expanded={isOpen}
          className="mt-[1.6rem] min-h-[2.1rem]"
          onClick={() => setOpen((before) => !before)}
        >
          <FolderOpen aria-hidden size={16} />
          {texts.browse}
        </Button>
      </div>
      {isOpen && <Browser path={value.trim()} onChoose={onChange} />}
    </div>
  );
}

/** The folders in a folder; to look into one is to choose it. */
function Browser({ path, onChoose }: { path: string; onChoose(path: string): void }): ReactNode {
  const [hidden, setHidden] = useState(false);
  const found = useInfiniteQuery({
    queryKey: ['folders', path, hidden],
    queryFn: ({ pageParam, signal }) =>
      client.choices.folders(
        {
          ...(path !== '' && { path }),
          ...(pageParam !== '' && { cursor: pageParam }),
          hidden,
          limit: PAGE_SIZE,
        },
        { signal },
      ),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    // Agents make folders all the time.
    staleTime: 0,
    // The path may be half typed.
    retry: false,
  });
  const first = found.data?.pages[0];
  const folders = found.data?.pages.flatMap((page) => page.folders) ?? [];
  const here = first?.path ?? null;
  return (
    <section aria-label={texts.list(here ?? texts.roots)} className="rounded-md border">
      <div className="flex items-center gap-2 border-b bg-sunken px-2 py-1 text-xs">
        {here !== null && (
          <Button look="ghost" onClick={() => onChoose(first?.parent ?? '')}>
            <CornerLeftUp aria-hidden size={14} />
            {texts.up}
          </Button>
        )}
        <span className="min-w-0 grow truncate font-mono">{here ?? texts.roots}</span>
        <Checkbox
          label={texts.hidden}
          checked={hidden}
          onChange={(event) => setHidden(event.target.checked)}
        />
      </div>
      <div className="max-h-52 overflow-y-auto p-1">
        {found.isPending && <Loading />}
        {found.error && <Failure problem={found.error} retry={() => onChoose('')} />}
        {first && folders.length === 0 && <p className="px-2 py-1 text-muted">{texts.empty}</p>}
        <ul>
          {folders.map(({ name, path: at }) => (
            <li key={name}>
              <Button
                look="ghost"
                className="w-full justify-start! px-2 font-normal!"
                onClick={() => onChoose(at)}
              >
                <FolderIcon aria-hidden size={14} className="shrink-0 text-muted" />
                <span className="truncate">{name}</span>
              </Button>
            </li>
          ))}
        </ul>
        {found.hasNextPage && (
          <Button look="ghost" busy={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
            {texts.more}
          </Button>
        )}
      </div>
    </section>
  );
}
