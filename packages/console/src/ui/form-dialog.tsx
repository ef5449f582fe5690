import { type ComponentProps, type ReactNode, useId } from 'react';
import { common } from '../text/common.ts';
import { Button, type ButtonLook } from './button.tsx';
import { Dialog } from './dialog.tsx';

interface FormDialogProps
  extends Pick<ComponentProps<typeof Dialog>, 'title' | 'description' | 'wide' | 'children'> {
  /** The verb on the button that sends the form. */
  action: string;
  look?: ButtonLook;
  /** The form cannot be sent yet. */
  disabled?: boolean;
  busy: boolean;
  onSubmit(): void;
  onClose(): void;
  /** Fields are checked by the page, not by the browser. */
  noValidate?: boolean;
  id?: string;
}

/** A window with a form, open while it is shown: Enter in a field sends it, Escape and "Cancel" close it. */
export function FormDialog({
  action,
  look = 'primary',
  disabled = false,
  busy,
  onSubmit,
  onClose,
  noValidate = false,
  id,
  children,
  ...props
}: FormDialogProps): ReactNode {
  const own = useId();
  const form = id ?? own;
  return (
    <Dialog
      {...props}
      open
      onOpenChange={onClose}
      actions={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button type="submit" form={form} look={look} disabled={disabled} busy={busy}>
            {action}
          </Button>
        </>
      }
    >
      <form
        id={form}
        noValidate={noValidate}
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (!disabled && !busy) onSubmit();
        }}
      >
        {children}
      </form>
    </Dialog>
  );
}
