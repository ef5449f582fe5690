import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { client } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { leavePush, readPush, subscribePush } from '../../api/push.ts';
import { notificationTexts as texts } from '../../text/notifications.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Checkbox } from '../../ui/field.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import { setNotes, wantsNotes } from './note-setting.ts';

const PUSH_KEY = ['push'];

/** Switches notifications of this browser on and off. */
export function Notifications(): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const { may } = useMe();
  return (
    <>
      <Button onClick={() => setOpen(true)}>{texts.open}</Button>
      <Dialog open={isOpen} onOpenChange={setOpen} title={texts.title}>
        {may('answer') ? <Settings /> : <p>{texts.role}</p>}
      </Dialog>
    </>
  );
}

/** Asks the browser's user; only after a click, as browsers want it. */
const mayNotify = async (): Promise<boolean> =>
  'Notification' in window && (await Notification.requestPermission()) === 'granted';

function Settings(): ReactNode {
  const [notes, setNotesState] = useState(wantsNotes);
  const [isDenied, setDenied] = useState(false);
  const [busy, setBusy] = useState(false);
  const { say, fail } = useToasts();
  const queries = useQueryClient();
  const push = useQuery({ queryKey: PUSH_KEY, queryFn: readPush, staleTime: 0 });
  const ready = push.data?.state === 'ready' ? push.data : undefined;

  const run = (work: () => Promise<void>): void => {
    setBusy(true);
    void work()
      .catch(fail)
      .finally(() => {
        setBusy(false);
        void queries.invalidateQueries({ queryKey: PUSH_KEY });
      });
  };
  const allowed = async (): Promise<boolean> => {
    const is = await mayNotify();
    setDenied(!is);
    return is;
  };
  const switchNotes = (on: boolean): void =>
    run(async () => {
      const next = on && (await allowed());
      setNotes(next);
      setNotesState(next);
    });
  const switchPush = (on: boolean): void =>
    run(async () => {
      if (!on) await leavePush();
      else if (ready && (await allowed())) await subscribePush(ready.publicKey);
    });

  return (
    <div className="flex flex-col gap-4">
      <Checkbox
        label={texts.desktop.label}
        hint={texts.desktop.hint}
        checked={notes}
        disabled={busy}
        onChange={({ target }) => switchNotes(target.checked)}
      />
      <Checkbox
        label={texts.push.label}
        hint={
          push.data?.state === 'off'
            ? texts.push.off
            : push.data?.state === 'unsupported'
              ? texts.push.unsupported
              : texts.push.hint
        }
        checked={ready?.id !== undefined}
        disabled={busy || ready === undefined}
        onChange={({ target }) => switchPush(target.checked)}
      />
      {ready?.id !== undefined && (
        <div>
          <Button
            busy={busy}
            onClick={() =>
              run(async () => {
                await client.push.test(ready.id ?? '');
                say(texts.push.tested);
              })
            }
          >
            {texts.push.test}
          </Button>
        </div>
      )}
      {isDenied && (
        <p role="alert" className="text-bad">
          {texts.denied}
        </p>
      )}
    </div>
  );
}
