import type { Token, Tokens } from 'marked';
import { Fragment, memo, type ReactNode, useRef } from 'react';
import { codeTexts } from '../../text/code.ts';
import { CodeBlock } from '../code/code-block.tsx';
import { type Blocks, decodeEntities, readBlocks } from './blocks.ts';
import { isInlineImage, safeUrl } from './safe.ts';

/**
 * Markdown of an agent, as elements and never as HTML: what is not Markdown is shown as it stands. While the text
 * grows, only its last block is drawn again.
 */
export default function Markdown({ text }: { text: string }): ReactNode {
  const before = useRef<Blocks>(undefined);
  // The same text gives the same blocks: a drawing that React drops leaves nothing wrong behind.
  const blocks = readBlocks(text, before.current);
  before.current = blocks;
  return (
    <div className="markdown flex flex-col gap-2.5">
      {blocks.tokens.map((token, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks only grow at the end
        <Block key={index} token={token} />
      ))}
    </div>
  );
}

/** Marked's tokens are open to plugins; without any, these are all there are. */
type Known =
  | Tokens.Heading
  | Tokens.Paragraph
  | Tokens.Text
  | Tokens.List
  | Tokens.Code
  | Tokens.Blockquote
  | Tokens.Table
  | Tokens.Hr
  | Tokens.HTML
  | Tokens.Space
  | Tokens.Def;
type KnownInline =
  | Tokens.Text
  | Tokens.Escape
  | Tokens.Strong
  | Tokens.Em
  | Tokens.Del
  | Tokens.Codespan
  | Tokens.Br
  | Tokens.Link
  | Tokens.Image
  | Tokens.HTML;

const Block = memo(function Block({ token }: { token: Token }): ReactNode {
  const block = token as Known;
  switch (block.type) {
    case 'heading':
      // Of one level, whatever their sizes: authors skip levels, and readers who go by headings would miss them.
      return (
        <h3 className={block.depth < 3 ? 'text-base font-semibold' : 'font-semibold'}>
          {inline(block.tokens)}
        </h3>
      );
    case 'paragraph':
      return <p>{inline(block.tokens)}</p>;
    case 'text':
      return <Fragment>{block.tokens ? inline(block.tokens) : decodeEntities(block.text)}</Fragment>;
    case 'list':
      return <List list={block} />;
    case 'code':
      return <CodeBlock code={block.text} language={/^\S+/.exec(block.lang ?? '')?.[0] ?? ''} />;
    case 'blockquote':
      return (
        <blockquote className="flex flex-col gap-2 border-l-2 pl-3 text-muted">
          {inBlocks(block.tokens)}
        </blockquote>
      );
    case 'table':
      return <Table table={block} />;
    case 'hr':
      return <hr />;
    case 'html':
      return <p className="whitespace-pre-wrap">{block.text}</p>;
    default:
      return null;
  }
});

const inBlocks = (tokens: readonly Token[]): ReactNode =>
  // biome-ignore lint/suspicious/noArrayIndexKey: blocks only grow at the end
  tokens.map((token, index) => <Block key={index} token={token} />);

function List({ list }: { list: Tokens.List }): ReactNode {
  const items = list.items.map((item, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: items only grow at the end
    <li key={index} className={item.task ? 'list-none' : undefined}>
      {item.task && (
        <input
          type="checkbox"
          disabled
          checked={item.checked ?? false}
          aria-label={item.text}
          className="mr-1.5"
        />
      )}
      {inBlocks(item.tokens)}
    </li>
  ));
  const className = 'flex flex-col gap-1 pl-6';
  return list.ordered ? (
    <ol start={Number(list.start) || 1} className={`list-decimal ${className}`}>
      {items}
    </ol>
  ) : (
    <ul className={`list-disc ${className}`}>{items}</ul>
  );
}

function Table({ table }: { table: Tokens.Table }): ReactNode {
  const align = (index: number): string => {
    const side = table.align[index];
    return side === 'right' ? 'text-right' : side === 'center' ? 'text-center' : 'text-left';
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled with the keyboard too
    <figure className="overflow-x-auto" tabIndex={0} aria-label={codeTexts.table}>
      <table className="border-collapse text-sm">
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns keep their places
              <th key={index} className={`border px-2 py-1 font-semibold ${align(index)}`}>
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows only grow at the end
            <tr key={at}>
              {row.map((cell, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns keep their places
                <td key={index} className={`border px-2 py-1 align-top ${align(index)}`}>
                  {inline(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

const inline = (tokens: readonly Token[]): ReactNode =>
  // biome-ignore lint/suspicious/noArrayIndexKey: text only grows at the end
  tokens.map((token, index) => <Fragment key={index}>{words(token as KnownInline)}</Fragment>);

function words(token: KnownInline): ReactNode {
  switch (token.type) {
    case 'strong':
      return <strong>{inline(token.tokens)}</strong>;
    case 'em':
      return <em>{inline(token.tokens)}</em>;
    case 'del':
      return <del>{inline(token.tokens)}</del>;
    case 'codespan':
      return <code className="rounded bg-sunken px-1 py-0.5 font-mono text-[0.92em]">{token.text}</code>;
    case 'br':
      return <br />;
    case 'escape':
      return token.text;
    case 'link':
      return <Anchor href={token.href}>{inline(token.tokens)}</Anchor>;
    case 'image':
      return isInlineImage(token.href) ? (
        <img src={token.href} alt={token.text} className="max-h-96 max-w-full rounded" />
      ) : (
        <Anchor href={token.href}>{token.text || token.href}</Anchor>
      );
    case 'html':
      return /^<br\s*\/?>$/i.test(token.text) ? <br /> : token.text;
    default:
      return 'tokens' in token && token.tokens ? inline(token.tokens) : decodeEntities(token.text);
  }
}

function Anchor({ href, children }: { href: string; children: ReactNode }): ReactNode {
  const url = safeUrl(href);
  if (url === undefined) return <span title={href}>{children}</span>;
  return (
    <a
      href={url}
      target="_blank"
      rel="noopener noreferrer"
      className="text-accent underline underline-offset-2"
    >
      {children}
    </a>
  );
}
