import { DropdownMenu as Radix } from 'radix-ui';
import type { ReactNode } from 'react';
import { classNames } from './class-names.ts';

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  danger?: boolean;
  disabled?: boolean;
  /** Shown with a mark: the one of several that holds. */
  checked?: boolean;
  onSelect(): void;
}

interface MenuProps {
  /** The button that opens it. */
  trigger: ReactNode;
  /** Groups of items, with a line between. */
  groups: readonly (readonly MenuItem[])[];
  label?: string;
}

/** A menu under a button. */
export function Menu({ trigger, groups, label }: MenuProps): ReactNode {
  return (
    // A modal one hides the page from screen readers while the focus is still in it (axe: aria-hidden-focus).
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align="end"
          sideOffset={4}
          collisionPadding={8}
          aria-label={label}
          className="z-50 max-h-[70vh] min-w-44 overflow-y-auto rounded-lg border bg-raised p-1 shadow-lg"
        >
          {groups
            .filter((group) => group.length > 0)
            .map((group, index) => (
              <Radix.Group key={group[0]?.label} className={classNames(index > 0 && 'mt-1 border-t pt-1')}>
                {group.map((item) => (
                  <Item key={item.label} {...item} />
                ))}
              </Radix.Group>
            ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Item({ label, icon, danger, disabled, checked, onSelect }: MenuItem): ReactNode {
  const className = classNames(
    'tap flex min-h-8 items-center gap-2 rounded-md px-2 outline-none select-none data-[disabled]:opacity-55 data-[highlighted]:bg-hover',
    danger && 'text-bad',
  );
  const common = { className, disabled: disabled ?? false, onSelect };
  if (checked === undefined) {
    return (
      <Radix.Item {...common}>
        {icon}
        {label}
      </Radix.Item>
    );
  }
  return (
    <Radix.CheckboxItem {...common} checked={checked}>
      <span className="w-4">
        <Radix.ItemIndicator>✓</Radix.ItemIndicator>
      </span>
      {label}
    </Radix.CheckboxItem>
  );
}
