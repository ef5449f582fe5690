import type { PermissionRequest } from 'claude-agent-protocol';
import { CircleCheck, CircleX } from 'lucide-react';
import { type ReactNode, type Ref, useId, useImperativeHandle, useRef, useState } from 'react';
import { useMe } from '../../api/me.ts';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { Badge } from '../../ui/badge.tsx';
import { Button } from '../../ui/button.tsx';
import type { Answer, RequestActions } from './answer.ts';
import { Always, AnswerBar, Denial, Edit } from './answer-bar.tsx';
import { ElicitationForm } from './elicitation-form.tsx';
import { QuestionForm } from './question-form.tsx';
import { Plan, RequestParts } from './request-parts.tsx';
import { type Settlement, sentenceOf } from './settlement.ts';
import { headlineOf } from './subject.ts';

export interface RequestCardProps {
  request: PermissionRequest;
  /** Sends the answer; settles when the server has taken or refused it. */
  onAnswer(answer: Answer): Promise<void>;
  /** False: it is shown without buttons. */
  mayAnswer?: boolean;
  /** What became of it, when that is known from elsewhere than the request: then nothing can be answered any more. */
  settlement?: Settlement | undefined;
  /** Beside the headline: which session asks, and since when. */
  children?: ReactNode;
  /** For keys. */
  ref?: Ref<RequestActions>;
  onOpen?(): void;
}

/** What an agent waits for: what it would do, and the answers. */
export function RequestCard({
  request,
  onAnswer,
  mayAnswer = true,
  settlement = request.state === 'pending' ? undefined : request,
  children,
  ref,
  onOpen,
}: RequestCardProps): ReactNode {
  const me = useMe();
  const [mode, setMode] = useState<'ask' | 'deny' | 'edit'>('ask');
  const [busy, setBusy] = useState(false);
  const card = useRef<HTMLElement>(null);
  const title = useId();
  const isOpen = settlement === undefined && mayAnswer && !busy;
  const isSimple = request.kind === 'tool' || request.kind === 'plan';

  const answer = (given: Answer): void => {
    setBusy(true);
    void onAnswer(given).finally(() => setBusy(false));
  };
  useImperativeHandle(ref, () => ({
    allow: () => {
      if (!isOpen) return;
      // What has to be filled in is sent by its own button, which says what is missing.
      if (isSimple) answer({ allowed: true });
      else card.current?.querySelector('form')?.requestSubmit();
    },
    always: () => {
      if (isOpen && isSimple && request.suggestions.length > 0)
        answer({ allowed: true, apply_suggestions: true });
    },
    deny: () => isOpen && answer({ allowed: false }),
    denyWithMessage: () => isOpen && setMode('deny'),
    focus: () => card.current?.focus(),
  }));

  const isAnswerable = settlement === undefined && mayAnswer;
  const common = { busy, onAnswer: answer, onCancel: () => setMode('ask') };
  const denials = (
    <>
      <Button busy={busy} onClick={() => answer({ allowed: false })}>
        {request.kind === 'elicitation' ? texts.actions.decline : texts.actions.deny}
      </Button>
      <Button look="ghost" onClick={() => setMode('deny')}>
        {texts.actions.message}
      </Button>
    </>
  );
  return (
    <article
      ref={card}
      tabIndex={-1}
      aria-labelledby={title}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target === event.currentTarget) onOpen?.();
      }}
      className="flex scroll-m-4 flex-col gap-3 rounded-lg border bg-raised p-3"
    >
      <header className="flex flex-wrap items-baseline gap-x-2 gap-y-1">
        <Badge tone={settlement === undefined ? 'accent' : 'neutral'}>{texts.kinds[request.kind]}</Badge>
        <h2 id={title} className="font-semibold">
          {headlineOf(request)}
        </h2>
        {request.agent_id !== null && <span className="text-xs text-muted">{texts.subagent}</span>}
        {children}
      </header>
      <Subject request={request} isAnswerable={isAnswerable && mode === 'ask'}>
        {request.kind === 'question' ? (
          <QuestionForm input={request.tool_input} busy={busy} onAnswer={answer}>
            {denials}
          </QuestionForm>
        ) : (
          <ElicitationForm input={request.tool_input} busy={busy} onAnswer={answer}>
            {denials}
          </ElicitationForm>
        )}
      </Subject>
      {settlement !== undefined && (
        <p role="status" className="flex items-center gap-2 text-muted">
          {settlement.state === 'allowed' ? (
            <CircleCheck aria-hidden size={16} className="shrink-0 text-good" />
          ) : (
            <CircleX aria-hidden size={16} className="shrink-0 text-bad" />
          )}
          {sentenceOf(request.kind, settlement, me)}.
        </p>
      )}
      {isAnswerable && mode === 'deny' && <Denial {...common} />}
      {isAnswerable && mode === 'edit' && <Edit request={request} {...common} />}
      {isAnswerable && mode === 'ask' && isSimple && (
        <>
          <Always suggestions={request.suggestions} />
          <AnswerBar
            request={request}
            busy={busy}
            onAnswer={answer}
            onDenyWithMessage={() => setMode('deny')}
            onEdit={() => setMode('edit')}
          />
        </>
      )}
    </article>
  );
}

interface SubjectProps {
  request: PermissionRequest;
  isAnswerable: boolean;
  /** The form that answers it, where there is one. */
  children: ReactNode;
}

/** What it is about. */
function Subject({ request, isAnswerable, children }: SubjectProps): ReactNode {
  const { kind, tool_name: tool, tool_input: input } = request;
  if (kind === 'plan') {
    return <Plan text={String(input.plan ?? '')} />;
  }
  if (kind !== 'tool') return isAnswerable ? children : <Asked request={request} />;
  return (
    <>
      <RequestParts tool={tool} input={input} />
      {request.decision_reason !== null && (
        <p className="text-xs text-muted">
          {texts.reason}: {request.decision_reason}
        </p>
      )}
      {request.blocked_path !== null && (
        <p className="text-xs text-warn">
          {texts.blocked}: <span className="font-mono">{request.blocked_path}</span>
        </p>
      )}
    </>
  );
}

/** A question or form that is not to be answered here any more. */
function Asked({ request: { tool_input: input, title } }: { request: PermissionRequest }): ReactNode {
  const questions = (Array.isArray(input.questions) ? input.questions : []) as { question?: unknown }[];
  const lines = questions.length > 0 ? questions.map(({ question }) => String(question)) : [title ?? ''];
  return lines.map((line) => <p key={line}>{line}</p>);
}
