import { useMutation, useQueryClient } from '@tanstack/react-query';
import { CircleUser } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { client } from '../api/client.ts';
import { useMe } from '../api/me.ts';
import { leavePush } from '../api/push.ts';
import { common } from '../text/common.ts';
import { Button } from '../ui/button.tsx';
import { Menu } from '../ui/menu.tsx';
import { useToasts } from '../ui/toasts.tsx';
import { chooseTheme, readTheme, type Theme } from './theme.ts';

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

/** Who is signed in, the theme, and the way out. */
export function AccountMenu(): ReactNode {
  const me = useMe();
  const { fail } = useToasts();
  const queries = useQueryClient();
  const [theme, setTheme] = useState(readTheme);
  const signOut = useMutation({
    mutationFn: async () => {
      // The next reader of this browser is not told what waits for this one.
      await leavePush();
      return client.call('signOut');
    },
    onSuccess: ({ continue_at: next }) => {
      // Nothing of the one who leaves stays in the page.
      queries.clear();
      if (next === undefined) location.reload();
      else location.assign(next);
    },
    onError: fail,
  });
  const name = me.kind === 'local' ? common.account.local : (me.name ?? me.id);
  return (
    <Menu
      label={common.account.label}
      trigger={
        <Button
          look="ghost"
          className="min-w-0 shrink justify-start gap-1 px-1.5 max-md:max-w-64"
          title={`${name}, ${common.roles[me.role]}`}
        >
          <CircleUser aria-hidden size={16} className="shrink-0" />
          <span className="truncate">{name}</span>
        </Button>
      }
      groups={[
        THEMES.map((each) => ({
          label: `${common.theme.label}: ${common.theme[each]}`,
          checked: theme === each,
          onSelect: () => {
            chooseTheme(each);
            setTheme(each);
          },
        })),
        me.kind === 'local' ? [] : [{ label: common.account.signOut, onSelect: () => signOut.mutate() }],
      ]}
    />
  );
}
