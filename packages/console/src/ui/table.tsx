import type { ReactNode } from 'react';
import { classNames } from './class-names.ts';

export interface Column<T> {
  /** The heading; also names the value on a phone. */
  label: string;
  cell(row: T): ReactNode;
  /** Numbers stand to the right. */
  number?: boolean;
}

interface TableProps<T> {
  /** What the table shows, for those who cannot see it. */
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf(row: T): string;
}

/** A table; on a phone each row is a card. */
export function Table<T>({ caption, columns, rows, keyOf }: TableProps<T>): ReactNode {
  return (
    <table className="block w-full sm:table">
      <caption className="sr-only">{caption}</caption>
      <thead className="hidden sm:table-header-group">
        <tr className="border-b text-left text-xs text-muted">
          {columns.map(({ label, number }) => (
            <th
              key={label}
              scope="col"
              className={classNames('px-2 py-1.5 font-medium', number && 'text-right')}
            >
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="block sm:table-row-group">
        {rows.map((row) => (
          <tr
            key={keyOf(row)}
            className="mb-2 block rounded-lg border p-2 sm:table-row sm:border-0 sm:border-b"
          >
            {columns.map(({ label, cell, number }) => (
              <td
                key={label}
                className={classNames(
                  'flex justify-between gap-4 sm:table-cell sm:px-2 sm:py-1.5 sm:align-top',
                  number && 'tabular-nums sm:text-right',
                )}
              >
                <span aria-hidden className="text-xs text-muted sm:hidden">
                  {label}
                </span>
                <span className="min-w-0">{cell(row)}</span>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
