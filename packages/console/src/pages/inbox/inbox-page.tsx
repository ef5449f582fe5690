import type { ReactNode } from 'react';
import { common } from '../../text/common.ts';
import { Page } from '../../ui/page.tsx';
import { Loading } from '../../ui/states.tsx';

export function InboxPage(): ReactNode {
  return (
    <Page title={common.nav.inbox}>
      <Loading />
    </Page>
  );
}
