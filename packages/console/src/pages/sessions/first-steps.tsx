import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { firstStepsTexts as texts } from '../../text/first-steps.ts';
import { Button } from '../../ui/button.tsx';
import { useToasts } from '../../ui/toasts.tsx';

const DEMO = 'demo';

/** What somebody can try who has just started a server without any key. */
export function FirstSteps(): ReactNode {
  const navigate = useNavigate();
  const { fail } = useToasts();
  const { data } = useQuery({
    queryKey: ['models', 'default'],
    queryFn: () => client.choices.models({ limit: 1 }),
  });
  const start = useMutation({
    mutationFn: async (message: string) => {
      const session = await client.sessions.create();
      await session.submit(message);
      return session.id;
    },
    onSuccess: (sessionId) => navigate({ to: '/sessions/$sessionId', params: { sessionId } }),
    onError: fail,
  });
  if (data?.default_model !== DEMO) return null;
  return (
    <section
      aria-labelledby="first-steps"
      className="mt-4 flex w-full flex-col gap-2 rounded-lg border bg-raised p-4 text-left"
    >
      <h2 id="first-steps" className="font-semibold text-ink">
        {texts.title}
      </h2>
      <p>{texts.hint}</p>
      {texts.steps.map(({ message, shows }) => (
        <div key={message} className="flex flex-col">
          <Button
            className="justify-start py-1 text-left font-mono whitespace-normal!"
            busy={start.isPending && start.variables === message}
            onClick={() => start.mutate(message)}
          >
            {message}
          </Button>
          <span className="px-3 text-xs">{shows}</span>
        </div>
      ))}
    </section>
  );
}
