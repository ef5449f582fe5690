import { X } from 'lucide-react';
import { Dialog as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import { common } from '../text/common.ts';
import { Button, IconButton } from './button.tsx';
import { classNames } from './class-names.ts';

interface DialogProps {
  open: boolean;
  onOpenChange(open: boolean): void;
  title: string;
  description?: string;
  /** Buttons, in a row at the end that stays in sight. */
  actions?: ReactNode;
  wide?: boolean;
  children?: ReactNode;
}

/** A window over the page, the whole screen of a phone. Escape closes it, and the focus goes back where it was. */
export function Dialog({
  open,
  onOpenChange,
  title,
  description,
  actions,
  wide,
  children,
}: DialogProps): ReactNode {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Radix.Content
          {...(description === undefined && { 'aria-describedby': undefined })}
          className={classNames(
            'fixed inset-0 z-50 flex flex-col bg-raised shadow-xl sm:inset-auto sm:top-1/2 sm:left-1/2 sm:max-h-[88vh] sm:-translate-1/2 sm:rounded-lg sm:border',
            wide ? 'sm:w-[min(60rem,94vw)]' : 'sm:w-[min(34rem,94vw)]',
          )}
        >
          <header className="flex items-center gap-2 border-b px-4 py-2.5">
            <Radix.Title className="grow text-base font-semibold">{title}</Radix.Title>
            <Radix.Close asChild>
              <IconButton label={common.close} icon={<X aria-hidden size={18} />} />
            </Radix.Close>
          </header>
          <div className="min-h-0 grow overflow-y-auto p-4">
            {description !== undefined && (
              <Radix.Description className="mb-3 text-muted">{description}</Radix.Description>
            )}
            {children}
          </div>
          {actions && (
            <footer className="flex flex-wrap justify-end gap-2 border-t px-4 py-3">{actions}</footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ConfirmProps extends Pick<DialogProps, 'open' | 'onOpenChange' | 'title' | 'children'> {
  /** The verb on the button that does it. */
  action: string;
  danger?: boolean;
  busy?: boolean;
  onConfirm(): void;
}

/** Asks before something that cannot be undone. */
export function Confirm({
  action,
  danger,
  busy,
  onConfirm,
  onOpenChange,
  ...props
}: ConfirmProps): ReactNode {
  return (
    <Dialog
      {...props}
      onOpenChange={onOpenChange}
      actions={
        <>
          <Button onClick={() => onOpenChange(false)}>{common.cancel}</Button>
          <Button look={danger ? 'danger' : 'primary'} busy={busy ?? false} onClick={onConfirm}>
            {action}
          </Button>
        </>
      }
    />
  );
}
