import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { formatNumber } from '../../format/format.ts';
import { sessionTexts } from '../../text/session.ts';
import { Code } from '../../ui/code/code-block.tsx';
import { CopyButton } from '../../ui/copy-button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Failure, Loading } from '../../ui/states.tsx';
import { eventPage } from './source.ts';

const texts = sessionTexts.raw;

/** The events behind a row, as the log has them. */
export function RawDialog({
  sessionId,
  seqs,
  onClose,
}: {
  sessionId: string;
  /** None: the dialog is closed. */
  seqs: readonly number[];
  onClose(): void;
}): ReactNode {
  return (
    <Dialog open={seqs.length > 0} onOpenChange={(open) => !open && onClose()} title={texts.title} wide>
      <div className="flex flex-col gap-4">
        {seqs.map((seq) => (
          <RawEvent key={seq} sessionId={sessionId} seq={seq} />
        ))}
      </div>
    </Dialog>
  );
}

function RawEvent({ sessionId, seq }: { sessionId: string; seq: number }): ReactNode {
  const event = useQuery({
    queryKey: ['event', sessionId, seq],
    queryFn: () => eventPage(client, sessionId, seq - 1, 1).then(([found]) => found ?? null),
    // An event never changes.
    staleTime: Number.POSITIVE_INFINITY,
  });
  const json = JSON.stringify(event.data, undefined, 2) ?? '';
  return (
    <div>
      <div className="flex items-center justify-between">
        <h3 className="font-medium">{texts.event(formatNumber(seq))}</h3>
        <CopyButton text={json} label={texts.copy} />
      </div>
      {event.error ? (
        <Failure problem={event.error} retry={() => void event.refetch()} />
      ) : event.data === undefined ? (
        <Loading />
      ) : (
        <div className="rounded-md border">
          <Code code={json} language="json" label={texts.event(formatNumber(seq))} />
        </div>
      )}
    </div>
  );
}
