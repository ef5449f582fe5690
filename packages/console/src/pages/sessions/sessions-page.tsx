import type { ReactNode } from 'react';
import { common } from '../../text/common.ts';
import { Page } from '../../ui/page.tsx';
import { Loading } from '../../ui/states.tsx';

export function SessionsPage(): ReactNode {
  return (
    <Page title={common.nav.sessions}>
      <Loading />
    </Page>
  );
}
