import type { SessionEvent, StreamFrame, TurnResult } from 'claude-agent-protocol';
import { isTurnEnd } from 'claude-agent-protocol/reasons';

/** A frame of a server's stream. The library loads no schemas: here, and only here, it takes the server's word. */
export const readFrame = ({ data }: { data: string }): StreamFrame => JSON.parse(data) as StreamFrame;

/** Whether a frame stands in the session's log, and not only on the stream. */
export function isDurable(frame: StreamFrame): frame is SessionEvent {
  return 'seq' in frame;
}

/** The result that a turn's last event carries. */
export function resultOf(frame: StreamFrame): TurnResult | undefined {
  return isTurnEnd(frame) ? frame.data.result : undefined;
}
