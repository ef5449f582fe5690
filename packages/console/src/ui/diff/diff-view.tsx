import { countLines } from 'claude-agent-client';
import { type ReactNode, useMemo, useState } from 'react';
import { codeTexts } from '../../text/code.ts';
import { Button } from '../button.tsx';
import { classNames } from '../class-names.ts';
import type { ColouredText } from '../code/highlight.ts';
import { useHighlight } from '../code/use-highlight.ts';
import { type Hunk, type MarkedLine, splitRows } from './hunks.ts';
import { markPieces } from './mark-pieces.ts';
import { useIsWide } from './use-is-wide.ts';

/** Lines that are shown before a reader asks for more. */
const SHOWN_LINES = 150;

const TONES = {
  ' ': '',
  '+': 'bg-good-soft',
  '-': 'bg-bad-soft',
} as const;
const MARKS = { ' ': '', '+': 'diff-added rounded-xs', '-': 'diff-removed rounded-xs' } as const;

/**
 * The changes of a file: one below the other where there is little room, side by side on a wide screen.
 * Not before it is needed: with `lazy`, because comparing needs a library.
 */
export default function DiffView({ hunks, file }: { hunks: readonly Hunk[]; file: string }): ReactNode {
  const [isWhole, setWhole] = useState(false);
  const isWide = useIsWide();
  const colours = useColours(hunks, file);
  const all = hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0);
  const shown = useMemo(() => (isWhole ? hunks : firstLines(hunks, SHOWN_LINES)), [hunks, isWhole]);
  // What was only added or removed has nothing on its other side.
  const { added, removed } = countLines(hunks);
  const isSplit = isWide && added > 0 && removed > 0;
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled with the keyboard */}
      <figure aria-label={codeTexts.diff(file)} tabIndex={0} className="overflow-x-auto">
        <table className="w-full border-collapse font-mono text-[12.5px] leading-5">
          {shown.map((hunk, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: parts of one change keep their places
            <tbody key={index} className={classNames(index > 0 && 'border-t-4 border-line')}>
              {isSplit ? (
                <SplitLines hunk={hunk} colours={colours} />
              ) : (
                hunk.lines.map((line) => (
                  <tr key={`${line.old} ${line.new}`} className={TONES[line.sign]}>
                    <Numbers values={[line.old, line.new]} />
                    <Words line={line} colours={colours} />
                  </tr>
                ))
              )}
            </tbody>
          ))}
        </table>
      </figure>
      {all > SHOWN_LINES && (
        <Button look="ghost" className="m-1" onClick={() => setWhole(!isWhole)}>
          {isWhole ? codeTexts.less : codeTexts.more(all - SHOWN_LINES)}
        </Button>
      )}
    </div>
  );
}

function SplitLines({ hunk, colours }: { hunk: Hunk; colours: Colours }): ReactNode {
  return splitRows(hunk).map(({ left, right }) => (
    <tr key={`${left?.old} ${right?.new}`}>
      {[left, right].map((line, side) => {
        const tone = line === undefined ? 'bg-sunken' : TONES[line.sign];
        return line === undefined ? (
          <td key={side === 0 ? 'old' : 'new'} colSpan={2} className={tone} />
        ) : (
          <Side
            key={side === 0 ? 'old' : 'new'}
            line={line}
            number={side === 0 ? line.old : line.new}
            colours={colours}
          />
        );
      })}
    </tr>
  ));
}

function Side({
  line,
  number,
  colours,
}: {
  line: MarkedLine;
  number: number | undefined;
  colours: Colours;
}): ReactNode {
  return (
    <>
      <Numbers values={[number]} className={TONES[line.sign]} />
      <Words line={line} colours={colours} className={classNames('w-1/2', TONES[line.sign])} />
    </>
  );
}

function Numbers({
  values,
  className,
}: {
  values: readonly (number | undefined)[];
  className?: string;
}): ReactNode {
  return values.map((value, side) => (
    <td
      // biome-ignore lint/suspicious/noArrayIndexKey: the old side and the new one
      key={side}
      className={classNames('w-px px-1.5 text-right align-top text-muted select-none', className)}
    >
      {value}
    </td>
  ));
}

function Words({
  line,
  colours,
  className,
}: {
  line: MarkedLine;
  colours: Colours;
  className?: string;
}): ReactNode {
  const pieces = colours(line) ?? [{ text: line.text, color: undefined }];
  return (
    <td className={classNames('pr-3 align-top whitespace-pre-wrap', className)}>
      <span className="inline-block w-4 text-center select-none">{line.sign}</span>
      {markPieces(pieces, line.marks).map(({ text, color, isMarked }, index) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no other name
          key={index}
          style={{ color }}
          className={isMarked ? MARKS[line.sign] : undefined}
        >
          {text}
        </span>
      ))}
    </td>
  );
}

type Colours = (line: MarkedLine) => readonly ColouredText[] | undefined;

/** Each side is coloured as the code that it was, because a grammar reads on over lines. */
function useColours(hunks: readonly Hunk[], file: string): Colours {
  const [old, now] = useMemo(() => {
    const lines = hunks.flatMap((hunk) => hunk.lines);
    return [lines.filter(({ sign }) => sign !== '+'), lines.filter(({ sign }) => sign !== '-')];
  }, [hunks]);
  const oldLines = useHighlight(
    useMemo(() => join(old), [old]),
    file,
  );
  const newLines = useHighlight(
    useMemo(() => join(now), [now]),
    file,
  );
  return useMemo(() => {
    const coloured = new Map<MarkedLine, readonly ColouredText[] | undefined>();
    old.forEach((line, index) => void coloured.set(line, oldLines?.[index]));
    now.forEach((line, index) => void coloured.set(line, newLines?.[index]));
    return (line) => coloured.get(line);
  }, [old, now, oldLines, newLines]);
}

const join = (lines: readonly MarkedLine[]): string => lines.map(({ text }) => text).join('\n');

function firstLines(hunks: readonly Hunk[], most: number): Hunk[] {
  let left = most;
  return hunks.flatMap((hunk) => {
    const lines = hunk.lines.slice(0, Math.max(0, left));
    left -= lines.length;
    return lines.length > 0 ? [{ lines }] : [];
  });
}
