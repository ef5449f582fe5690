import { Link, useLocation, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { sessionTexts } from '../../text/session.ts';
import { Empty } from '../../ui/states.tsx';
import { SessionView } from './session-view.tsx';

const TURN = /^turn-([\da-f-]{36})$/;

/** One session: its conversation, what waits in it, and where to write. A hash `#turn-…` names one of its turns. */
export function SessionPage(): ReactNode {
  const { sessionId } = useParams({ from: '/sessions/$sessionId' });
  const { hash } = useLocation();
  // Another session is another page: nothing of the one before stays.
  return <SessionView key={sessionId} sessionId={sessionId} target={TURN.exec(hash)?.[1]} gone={<Gone />} />;
}

function Gone(): ReactNode {
  return (
    <Empty title={sessionTexts.gone}>
      <Link to="/sessions" className="text-accent underline">
        {sessionTexts.toSessions}
      </Link>
    </Empty>
  );
}
