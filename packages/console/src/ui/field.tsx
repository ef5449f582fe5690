import { type ComponentProps, type ReactNode, useId } from 'react';
import { classNames } from './class-names.ts';

const INPUT =
  'w-full rounded-md border border-control bg-raised px-2.5 py-1.5 text-ink placeholder:text-muted';

interface FieldProps {
  label: string;
  hint?: string | undefined;
  /** What is wrong with the value: a sentence of the server. */
  error?: string | undefined;
}

interface Parts {
  id: string;
  'aria-invalid': boolean;
  'aria-describedby': string | undefined;
}

/** A label over a control, with a hint and what is wrong with it. */
function Field({
  label,
  hint,
  error,
  children,
}: FieldProps & { children(parts: Parts): ReactNode }): ReactNode {
  const id = useId();
  const described = hint !== undefined || error !== undefined;
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children({
        id,
        'aria-invalid': error !== undefined,
        'aria-describedby': described ? `${id}-more` : undefined,
      })}
      {described && (
        <p
          id={`${id}-more`}
          className={classNames('text-xs', error === undefined ? 'text-muted' : 'text-bad')}
        >
          {error ?? hint}
        </p>
      )}
    </div>
  );
}

/** One line of text. */
export function TextField({
  label,
  hint,
  error,
  className,
  ...props
}: FieldProps & ComponentProps<'input'>): ReactNode {
  return (
    <Field label={label} hint={hint} error={error}>
      {(parts) => <input type="text" className={classNames('tap', INPUT, className)} {...parts} {...props} />}
    </Field>
  );
}

/** Several lines of text. */
export function TextArea({
  label,
  hint,
  error,
  className,
  ...props
}: FieldProps & ComponentProps<'textarea'>): ReactNode {
  return (
    <Field label={label} hint={hint} error={error}>
      {(parts) => <textarea rows={3} className={classNames(INPUT, className)} {...parts} {...props} />}
    </Field>
  );
}

/** One of several values; the system's own control, which works on every device. */
export function SelectField({
  label,
  hint,
  error,
  className,
  ...props
}: FieldProps & ComponentProps<'select'>): ReactNode {
  return (
    <Field label={label} hint={hint} error={error}>
      {(parts) => <select className={classNames('tap', INPUT, className)} {...parts} {...props} />}
    </Field>
  );
}

/** Yes or no. */
export function Checkbox({
  label,
  hint,
  ...props
}: { label: string; hint?: string } & ComponentProps<'input'>): ReactNode {
  const id = useId();
  return (
    <div className="flex gap-2">
      <input
        type="checkbox"
        id={id}
        aria-describedby={hint === undefined ? undefined : `${id}-more`}
        className="mt-0.5 size-4 accent-(--accent)"
        {...props}
      />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint !== undefined && (
          <p id={`${id}-more`} className="text-xs text-muted">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}
