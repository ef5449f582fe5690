/** Every benchmark, one after the other, so that none disturbs another. */
import { benchEvents } from './events.ts';
import { benchTurn } from './turn.ts';

await benchTurn();
await benchEvents();
