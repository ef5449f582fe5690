import { type ReactNode, useId } from 'react';

/** A part of a page under a heading. */
export function Section({ title, children }: { title: string; children: ReactNode }): ReactNode {
  const id = useId();
  return (
    <section aria-labelledby={id} className="mb-6">
      <h2 id={id} className="mb-2 font-semibold">
        {title}
      </h2>
      {children}
    </section>
  );
}

/** Figures in a row: what each is called, and what it is. */
export function Figures({ items }: { items: readonly { label: string; value: ReactNode }[] }): ReactNode {
  return (
    <dl className="grid grid-cols-2 gap-2 sm:grid-cols-[repeat(auto-fill,minmax(10rem,1fr))]">
      {items.map(({ label, value }) => (
        <div key={label} className="rounded-lg border bg-raised p-3">
          <dt className="text-xs text-muted">{label}</dt>
          <dd className="text-lg font-semibold tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
