import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { inboxTexts } from '../../text/inbox.ts';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import type { Answer } from './answer.ts';

const texts = inboxTexts.question;

interface Question {
  question: string;
  header?: string;
  multiSelect?: boolean;
  options?: readonly { label: string; description?: string }[];
}

interface QuestionFormProps {
  input: Record<string, unknown>;
  busy: boolean;
  onAnswer(answer: Answer): void;
  /** Further buttons beside the one that sends. */
  children: ReactNode;
}

/** The questions of an agent. A single one with choices is answered by one tap on a choice. */
export function QuestionForm({ input, busy, onAnswer, children }: QuestionFormProps): ReactNode {
  const questions = (Array.isArray(input.questions) ? input.questions : []) as Question[];
  const [chosen, setChosen] = useState<Record<string, readonly string[]>>({});
  const [written, setWritten] = useState<Record<string, string>>({});
  const [missing, setMissing] = useState<readonly string[]>([]);
  const [only] = questions;
  const isOneTap = questions.length === 1 && only?.multiSelect !== true && (only?.options ?? []).length > 0;

  const send = (answers: Record<string, string>): void =>
    onAnswer({ allowed: true, updated_input: { answers } });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const answers = Object.fromEntries(
      questions.map(({ question }) => {
        const other = written[question]?.trim() ?? '';
        return [question, [...(chosen[question] ?? []), ...(other === '' ? [] : [other])].join(', ')];
      }),
    );
    const empty = Object.keys(answers).filter((question) => answers[question] === '');
    setMissing(empty);
    if (empty.length === 0) send(answers);
  };

  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      {questions.map((each) => (
        <fieldset key={each.question} className="flex flex-col gap-2">
          <legend className="mb-2 font-medium">{each.question}</legend>
          {each.multiSelect && <p className="text-xs text-muted">{texts.several}</p>}
          {(each.options ?? []).map((option) =>
            isOneTap ? (
              <Button
                key={option.label}
                disabled={busy}
                className="h-auto flex-col items-start gap-0 py-1.5 text-left whitespace-normal"
                onClick={() => send({ [each.question]: option.label })}
              >
                <OptionText {...option} />
              </Button>
            ) : (
              <OptionControl
                key={option.label}
                {...option}
                several={each.multiSelect === true}
                group={each.question}
                chosen={chosen[each.question] ?? []}
                onChange={(next) => setChosen({ ...chosen, [each.question]: next })}
              />
            ),
          )}
          <TextField
            label={texts.other}
            value={written[each.question] ?? ''}
            error={missing.includes(each.question) ? texts.missing : undefined}
            onChange={({ target }) => setWritten({ ...written, [each.question]: target.value })}
          />
        </fieldset>
      ))}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="primary" busy={busy}>
          {inboxTexts.actions.send}
        </Button>
        {children}
      </div>
    </form>
  );
}

function OptionText({ label, description }: { label: string; description?: string }): ReactNode {
  return (
    <>
      <span className="font-medium">{label}</span>
      {description !== undefined && <span className="text-xs font-normal text-muted">{description}</span>}
    </>
  );
}

interface OptionControlProps {
  label: string;
  description?: string;
  several: boolean;
  group: string;
  chosen: readonly string[];
  onChange(chosen: readonly string[]): void;
}

function OptionControl({
  label,
  description,
  several,
  group,
  chosen,
  onChange,
}: OptionControlProps): ReactNode {
  const id = useId();
  const isChosen = chosen.includes(label);
  return (
    <label htmlFor={id} className="tap flex items-start gap-2">
      <input
        id={id}
        type={several ? 'checkbox' : 'radio'}
        name={`${group} ${several}`}
        checked={isChosen}
        className="mt-1 size-4 accent-(--accent)"
        onChange={() => {
          if (!several) onChange([label]);
          else onChange(isChosen ? chosen.filter((each) => each !== label) : [...chosen, label]);
        }}
      />
      <span className="flex flex-col">
        <OptionText label={label} {...(description !== undefined && { description })} />
      </span>
    </label>
  );
}
