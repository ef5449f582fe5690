import type { PermissionRequest } from 'claude-agent-protocol';
import { Ellipsis } from 'lucide-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { Button, IconButton } from '../../ui/button.tsx';
import { Checkbox, TextArea } from '../../ui/field.tsx';
import { Menu } from '../../ui/menu.tsx';
import type { Answer } from './answer.ts';
import { explainSuggestions } from './suggestions.ts';

interface AnswerBarProps {
  request: PermissionRequest;
  busy: boolean;
  onAnswer(answer: Answer): void;
  onDenyWithMessage(): void;
  onEdit(): void;
}

/** Yes, always and no for a tool call or a plan; it stays in sight while a long request is read. */
export function AnswerBar({ request, busy, onAnswer, onDenyWithMessage, onEdit }: AnswerBarProps): ReactNode {
  const isPlan = request.kind === 'plan';
  const { actions } = texts;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be sticky in every browser
    <div
      role="group"
      aria-label={actions.label}
      className="sticky bottom-0 -mx-3 -mb-3 flex gap-2 rounded-b-lg border-t bg-raised px-3 py-2"
    >
      <Button
        look={request.default_to_no ? 'danger' : 'primary'}
        busy={busy}
        className="grow sm:grow-0"
        onClick={() => onAnswer({ allowed: true })}
      >
        {isPlan ? actions.approve : actions.allow}
      </Button>
      {request.suggestions.length > 0 && (
        <Button
          busy={busy}
          className="grow sm:grow-0"
          onClick={() => onAnswer({ allowed: true, apply_suggestions: true })}
        >
          {actions.always}
        </Button>
      )}
      <Button busy={busy} className="grow sm:grow-0" onClick={() => onAnswer({ allowed: false })}>
        {isPlan ? actions.reject : actions.deny}
      </Button>
      <Menu
        label={actions.more}
        trigger={<IconButton label={actions.more} icon={<Ellipsis aria-hidden size={18} />} />}
        groups={[
          [
            { label: actions.message, onSelect: onDenyWithMessage },
            { label: actions.edit, onSelect: onEdit },
          ],
        ]}
      />
    </div>
  );
}

/** What "always" would change, before it is pressed. */
export function Always({ suggestions }: { suggestions: readonly unknown[] }): ReactNode {
  const explained = explainSuggestions(suggestions);
  if (explained.length === 0) return null;
  return (
    <div className="text-xs text-muted">
      {texts.always.lead}
      <ul className="list-disc pl-5">
        {explained.map(({ what, where }) => (
          <li key={what + where}>
            {what}
            {where !== '' && `, ${where}`}
          </li>
        ))}
      </ul>
    </div>
  );
}

interface DenialProps {
  busy: boolean;
  onAnswer(answer: Answer): void;
  onCancel(): void;
}

/** No, with what the agent is told. */
export function Denial({ busy, onAnswer, onCancel }: DenialProps): ReactNode {
  const [message, setMessage] = useState('');
  const [stop, setStop] = useState(false);
  const field = useFocused<HTMLTextAreaElement>();
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        onAnswer({
          allowed: false,
          ...(message.trim() !== '' && { message }),
          ...(stop && { interrupt: true }),
        });
      }}
    >
      <TextArea
        ref={field}
        label={texts.denial.label}
        hint={texts.denial.hint}
        value={message}
        onChange={({ target }) => setMessage(target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.metaKey || event.ctrlKey))
            event.currentTarget.form?.requestSubmit();
          if (event.key === 'Escape') onCancel();
        }}
      />
      <Checkbox label={texts.denial.stop} checked={stop} onChange={({ target }) => setStop(target.checked)} />
      <Buttons look="danger" action={texts.denial.send} busy={busy} onCancel={onCancel} />
    </form>
  );
}

interface EditProps extends DenialProps {
  request: PermissionRequest;
}

/** Yes, with another input: the command, the plan, or the whole input as JSON. */
export function Edit({ request, busy, onAnswer, onCancel }: EditProps): ReactNode {
  const { tool_input: input } = request;
  const single = request.kind === 'plan' ? 'plan' : request.tool_name === 'Bash' ? 'command' : undefined;
  const [text, setText] = useState(() =>
    single === undefined ? JSON.stringify(input, null, 2) : String(input[single] ?? ''),
  );
  const [error, setError] = useState<string>();
  const field = useFocused<HTMLTextAreaElement>();
  const label = single === undefined ? texts.edit.input : texts.edit[single];
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        const edited = single === undefined ? objectIn(text) : { ...input, [single]: text };
        setError(edited === undefined ? texts.edit.invalid : undefined);
        if (edited !== undefined) onAnswer({ allowed: true, updated_input: edited });
      }}
    >
      <TextArea
        ref={field}
        label={label}
        hint={texts.edit.hint}
        error={error}
        rows={Math.min(20, Math.max(3, text.split('\n').length))}
        spellCheck={false}
        className="font-mono text-xs"
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={(event) => event.key === 'Escape' && onCancel()}
      />
      <Buttons look="primary" action={texts.actions.editDone} busy={busy} onCancel={onCancel} />
    </form>
  );
}

function Buttons({
  look,
  action,
  busy,
  onCancel,
}: {
  look: 'primary' | 'danger';
  action: string;
  busy: boolean;
  onCancel(): void;
}): ReactNode {
  return (
    <div className="flex gap-2">
      <Button type="submit" look={look} busy={busy}>
        {action}
      </Button>
      <Button onClick={onCancel}>{texts.actions.cancel}</Button>
    </div>
  );
}

function useFocused<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  useEffect(() => ref.current?.focus(), []);
  return ref;
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
