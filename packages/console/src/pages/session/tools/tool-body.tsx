import { readAnswers, readReport, readTodos } from 'claude-agent-client';
import { CircleCheck, CircleDashed, CircleDot } from 'lucide-react';
import { type ReactNode, Suspense } from 'react';
import { loadLater } from '../../../api/load-later.ts';
import { sessionTexts } from '../../../text/session.ts';
import { classNames } from '../../../ui/class-names.ts';
import { Code } from '../../../ui/code/code-block.tsx';
import type { ToolItem } from '../model/items.ts';
import { Picture } from '../picture.tsx';
import { RichText } from '../rich-text.tsx';
import { useSessionPage } from '../session-context.ts';
import { readFileOf, readOutput, shortPath, toolKind } from './describe.ts';
import { Output } from './output.tsx';
import { SubagentBody } from './subagent-body.tsx';

const EditBody = loadLater(() => import('./edit-body.tsx'));
const texts = sessionTexts.tool;

/** What a call was given and what came of it. */
export function ToolBody({ call }: { call: ToolItem }): ReactNode {
  const { result } = call;
  const body = bodyOf(call);
  return (
    <>
      {body}
      {result?.isError && <Output label={texts.errors} text={result.text} bad />}
      {result?.images.map((image, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pictures of one result keep their places
        <Picture key={index} image={image} label={texts.picture} />
      ))}
    </>
  );
}

function bodyOf(call: ToolItem): ReactNode {
  switch (toolKind(call.name)) {
    case 'command':
      return <CommandBody call={call} />;
    case 'change':
      return <ChangeBody call={call} />;
    case 'read':
      return <ReadBody call={call} />;
    case 'todo':
      return <TodoBody call={call} />;
    case 'subagent':
      return <SubagentBody call={call} report={readReport(call.result?.details) ?? ''} />;
    case 'plan':
      return typeof call.input.plan === 'string' ? (
        <div className="p-3">
          <RichText text={call.input.plan} />
        </div>
      ) : null;
    case 'question':
      return <QuestionBody call={call} />;
    case 'search':
      return <SearchBody call={call} />;
    case 'web':
      return <WebBody call={call} />;
    default:
      return <OtherBody call={call} />;
  }
}

function CommandBody({ call: { input, result } }: { call: ToolItem }): ReactNode {
  const { out, errors } = readOutput(result?.details, result?.text ?? '');
  return (
    <>
      {typeof input.command === 'string' && (
        <div className="border-b">
          <Code code={input.command} language="sh" label={texts.input} />
        </div>
      )}
      {result && !result.isError && (
        <>
          {(out !== '' || errors === '') && (
            <Output label={texts.output} text={out === '' ? texts.noOutput : out} />
          )}
          {errors !== '' && <Output label={texts.errors} text={errors} />}
        </>
      )}
    </>
  );
}

function ChangeBody({ call }: { call: ToolItem }): ReactNode {
  const { cwd } = useSessionPage();
  const path = String(call.input.file_path ?? call.input.notebook_path ?? '');
  return (
    <Suspense fallback={<div className="h-16" />}>
      <EditBody call={call} file={shortPath(path, cwd)} />
    </Suspense>
  );
}

function ReadBody({ call: { input, result } }: { call: ToolItem }): ReactNode {
  const { text, image } = readFileOf(result?.details);
  if (image) return <Picture image={{ kind: 'data', ...image }} label={String(input.file_path ?? '')} />;
  if (text !== undefined)
    return <Code code={text} language={String(input.file_path ?? '')} label={texts.output} />;
  return result && !result.isError && <Output label={texts.output} text={result.text} />;
}

const TODO_ICONS = { completed: CircleCheck, in_progress: CircleDot, pending: CircleDashed } as const;

function TodoBody({ call }: { call: ToolItem }): ReactNode {
  return (
    <ul className="flex flex-col gap-1 p-3">
      {readTodos(call.input).map(({ content, status }, index) => {
        const Icon = TODO_ICONS[status];
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a list that is never changed
          <li key={index} className="flex items-start gap-2">
            <Icon
              size={16}
              role="img"
              aria-label={texts.todo[status]}
              className={classNames(
                'mt-0.5 shrink-0',
                status === 'completed'
                  ? 'text-good'
                  : status === 'in_progress'
                    ? 'text-accent'
                    : 'text-muted',
              )}
            />
            <span className={classNames(status === 'completed' && 'text-muted line-through')}>{content}</span>
          </li>
        );
      })}
    </ul>
  );
}

function QuestionBody({ call: { input, result } }: { call: ToolItem }): ReactNode {
  const answers = readAnswers(result?.details) ?? [];
  if (answers.length === 0) return <Json value={input} />;
  return (
    <dl className="flex flex-col gap-2 p-3">
      {answers.map(([question, answer]) => (
        <div key={question}>
          <dt className="text-muted">{question}</dt>
          <dd className="font-medium">{answer}</dd>
        </div>
      ))}
    </dl>
  );
}

function SearchBody({ call: { input, result } }: { call: ToolItem }): ReactNode {
  const { pattern: _, ...more } = input;
  return (
    <>
      {Object.keys(more).length > 0 && <Json value={more} />}
      {result && !result.isError && <Output label={texts.output} text={result.text || texts.noOutput} />}
    </>
  );
}

function WebBody({ call: { input, result } }: { call: ToolItem }): ReactNode {
  return (
    <div className="flex flex-col gap-2 p-3">
      {typeof input.url === 'string' && <RichText text={`<${input.url}>`} />}
      {typeof input.prompt === 'string' && <p className="text-muted">{input.prompt}</p>}
      {result && !result.isError && <RichText text={result.text} />}
    </div>
  );
}

function OtherBody({ call: { input, result } }: { call: ToolItem }): ReactNode {
  return (
    <>
      {Object.keys(input).length > 0 && <Json value={input} />}
      {result && !result.isError && <Output label={texts.output} text={result.text || texts.noOutput} />}
    </>
  );
}

function Json({ value }: { value: unknown }): ReactNode {
  return (
    <div className="border-b last:border-b-0">
      <Code code={JSON.stringify(value, undefined, 2)} language="json" label={texts.input} />
    </div>
  );
}
