import type { ComponentProps, ReactNode } from 'react';
import { classNames } from './class-names.ts';

const LOOKS = {
  plain: 'border border-line bg-raised text-ink hover:bg-hover',
  primary: 'border border-transparent bg-accent text-accent-ink hover:opacity-90',
  danger: 'border border-transparent bg-bad text-surface hover:opacity-90',
  ghost: 'border border-transparent text-ink hover:bg-hover',
} as const;

const SHAPE =
  'tap inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md px-3 font-medium whitespace-nowrap disabled:opacity-55';

export type ButtonLook = keyof typeof LOOKS;

interface ButtonProps extends ComponentProps<'button'> {
  look?: ButtonLook;
  /** Its work is under way: it cannot be pressed again. */
  busy?: boolean;
}

/** A button with a text. */
export function Button({
  look = 'plain',
  busy = false,
  className,
  disabled,
  ...props
}: ButtonProps): ReactNode {
  return (
    <button
      type="button"
      aria-busy={busy}
      disabled={disabled || busy}
      className={classNames(SHAPE, LOOKS[look], className)}
      {...props}
    />
  );
}

/** A link out of the console that looks like a button. */
export function ButtonLink({
  look = 'plain',
  className,
  ...props
}: ComponentProps<'a'> & { look?: ButtonLook }): ReactNode {
  return <a className={classNames(SHAPE, LOOKS[look], className)} {...props} />;
}

interface IconButtonProps extends Omit<ButtonProps, 'children' | 'aria-label'> {
  /** What it does: read aloud, and shown when the pointer rests on it. */
  label: string;
  icon: ReactNode;
}

/** A button that shows only a picture. */
export function IconButton({ label, icon, look = 'ghost', className, ...props }: IconButtonProps): ReactNode {
  return (
    <Button
      look={look}
      aria-label={label}
      title={label}
      className={classNames('min-w-8 px-1.5', className)}
      {...props}
    >
      {icon}
    </Button>
  );
}
