import { useMutation, useQuery } from '@tanstack/react-query';
import { ImagePlus, Send, Square, X } from 'lucide-react';
import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useId,
  useRef,
  useState,
} from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { Button, IconButton } from '../../../ui/button.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import type { View } from '../model/conversation.ts';
import { useSessionPage } from '../session-context.ts';
import { type Attachment, isImage, messageOf, readAttachment } from './attachments.ts';
import { CommandList } from './command-list.tsx';
import { matchCommands, readCommands, typedCommand } from './complete.ts';
import type { Draft } from './draft.ts';

const texts = sessionTexts.composer;
const BUSY = ['queue', 'steer', 'interrupt'] as const;
type WhenBusy = (typeof BUSY)[number];

/** A message on its way. */
interface Outgoing {
  text: string;
  attachments: readonly Attachment[];
  key: string;
  whenBusy: WhenBusy;
}

interface ComposerProps {
  view: View;
  draft: Draft;
  field: RefObject<HTMLTextAreaElement | null>;
  onStop(): void;
}

/** Where messages are written: Enter sends, Shift+Enter begins a line, a slash offers the agent's commands. */
export function Composer({ view, draft, field, onStop }: ComposerProps): ReactNode {
  const { session } = useSessionPage();
  const { fail } = useToasts();
  const { text, setText, attachments, setAttachments } = draft;
  const [whenBusy, setWhenBusy] = useState<WhenBusy>('queue');
  // A message that may have arrived is sent again under its key: it runs once. A changed one is another.
  const unsent = useRef<Outgoing>(undefined);
  const isRunning = view.running !== undefined;
  const send = useMutation({
    // In the order in which they were written.
    scope: { id: `send ${session.id}` },
    mutationFn: ({ text: words, attachments: pictures, key, whenBusy: how }: Outgoing) =>
      session.submit(messageOf(words, pictures), { idempotencyKey: key, whenBusy: how }),
    onError: (problem, message) => {
      unsent.current = message;
      draft.putBack(message);
      fail(problem);
    },
  });
  const commands = useCommandChoice(view, text, setText);
  const canSend = text.trim() !== '' || attachments.length > 0;
  // The field is free at once: what is written meanwhile is another message.
  const submit = (): void => {
    if (!canSend) return;
    const isSame = unsent.current?.text === text && unsent.current.attachments === attachments;
    const key = isSame && unsent.current ? unsent.current.key : crypto.randomUUID();
    unsent.current = undefined;
    send.mutate({ text, attachments, key, whenBusy: isRunning ? whenBusy : 'queue' });
    setText('');
    setAttachments(() => []);
  };
  const attach = (files: readonly File[]): void => {
    if (!files.every(isImage)) fail(texts.onlyImages);
    files.filter(isImage).forEach((file, index) => {
      readAttachment(file, Date.now() + index).then(
        (attachment) => setAttachments((before) => [...before, attachment]),
        fail,
      );
    });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // Enter also ends the writing of a word in some scripts.
    if (event.nativeEvent.isComposing || commands.onKey(event)) return;
    // On a phone Enter is the only way to a new line.
    if (event.key === 'Enter' && !event.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault();
      submit();
    }
  };
  return (
    <form
      className="relative rounded-lg border border-control bg-raised focus-within:border-accent"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => takeFiles(event, event.dataTransfer.files, attach)}
    >
      {commands.list}
      <Attachments
        attachments={attachments}
        onRemove={(id) => setAttachments((before) => before.filter((each) => each.id !== id))}
      />
      <textarea
        ref={field}
        rows={1}
        value={text}
        aria-label={texts.label}
        placeholder={texts.placeholder}
        {...commands.aria}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => takeFiles(event, event.clipboardData.files, attach)}
        className="field-sizing-content max-h-56 min-h-11 w-full resize-none bg-transparent px-3 py-2.5 outline-none placeholder:text-muted"
      />
      <div className="flex flex-wrap items-center gap-1 px-1.5 pb-1.5">
        <AttachButton onFiles={attach} />
        {isRunning && (
          <select
            aria-label={texts.busy.label}
            value={whenBusy}
            onChange={(event) => setWhenBusy(event.target.value as WhenBusy)}
            className="tap min-h-8 rounded-md bg-transparent px-1 text-muted"
          >
            {BUSY.map((each) => (
              <option key={each} value={each}>
                {texts.busy[each]}
              </option>
            ))}
          </select>
        )}
        <span className="grow" />
        {isRunning && (
          <Button onClick={onStop} title={texts.stopHint}>
            <Square aria-hidden size={13} />
            <span className="max-sm:sr-only">{texts.stop}</span>
          </Button>
        )}
        <Button look="primary" type="submit" disabled={!canSend} busy={send.isPending}>
          <Send aria-hidden size={14} />
          <span className={isRunning ? 'max-sm:sr-only' : undefined}>{texts.send}</span>
        </Button>
      </div>
    </form>
  );
}

/** Files that are pasted or dropped are attached; everything else is the browser's. */
function takeFiles(
  event: ClipboardEvent | DragEvent,
  files: FileList,
  attach: (files: readonly File[]) => void,
): void {
  if (files.length === 0) return;
  event.preventDefault();
  attach([...files]);
}

function Attachments({
  attachments,
  onRemove,
}: {
  attachments: readonly Attachment[];
  onRemove(id: number): void;
}): ReactNode {
  if (attachments.length === 0) return null;
  return (
    <ul className="flex flex-wrap gap-2 px-3 pt-2">
      {attachments.map(({ id, name, mediaType, data }) => (
        <li key={id} className="relative">
          <img
            src={`data:${mediaType};base64,${data}`}
            alt={name}
            className="size-16 rounded border object-cover"
          />
          <IconButton
            look="plain"
            label={texts.remove(name)}
            icon={<X aria-hidden size={14} />}
            onClick={() => onRemove(id)}
            className="absolute -top-2 -right-2 min-h-6 min-w-6 rounded-full px-0"
          />
        </li>
      ))}
    </ul>
  );
}

function AttachButton({ onFiles }: { onFiles(files: readonly File[]): void }): ReactNode {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <IconButton
        label={texts.attach}
        icon={<ImagePlus aria-hidden size={16} />}
        onClick={() => input.current?.click()}
      />
      <input
        ref={input}
        type="file"
        accept="image/png,image/jpeg,image/gif,image/webp"
        multiple
        hidden
        aria-label={texts.attach}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          event.target.value = '';
        }}
      />
    </>
  );
}

/** The agent's commands while one is typed: a list over the field, chosen with the arrow keys. */
function useCommandChoice(view: View, text: string, setText: (text: string) => void) {
  const { session } = useSessionPage();
  const id = useId();
  const [at, setAt] = useState(0);
  const [dismissed, setDismissed] = useState<string>();
  const typed = typedCommand(text);
  const isTyping = typed !== undefined && dismissed !== text;
  // Asking starts a sleeping agent: until it has said more, the log knows the names.
  const isAwake = view.session !== undefined && !/^(asleep|closed)$/.test(view.session.state);
  const listed = useQuery({
    queryKey: ['session', session.id, 'commands'],
    queryFn: () => session.commands(),
    enabled: isTyping && isAwake,
  });
  const found = isTyping
    ? matchCommands(readCommands(view.agent?.commands ?? [], listed.data ?? []), typed)
    : [];
  const chosen = Math.min(at, found.length - 1);
  const choose = (name: string): void => {
    setText(`/${name} `);
    setAt(0);
  };
  const isShown = found.length > 0;
  const onKey = (event: KeyboardEvent): boolean => {
    const command = found[chosen];
    if (!command) return false;
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: found.length - 1 };
    const move = moves[event.key];
    // A whole name is sent as it stands.
    const isWhole = command.name === typed;
    if (move !== undefined) setAt((chosen + move) % found.length);
    else if (event.key === 'Tab' || (event.key === 'Enter' && !isWhole)) choose(command.name);
    else if (event.key === 'Escape') setDismissed(text);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  return {
    onKey,
    list: isShown && <CommandList id={id} commands={found} chosen={chosen} onChoose={choose} />,
    aria: {
      'aria-autocomplete': 'list',
      'aria-controls': isShown ? id : undefined,
      'aria-activedescendant': isShown ? `${id}-${chosen}` : undefined,
    } as const,
  };
}
