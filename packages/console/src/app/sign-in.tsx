import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { client } from '../api/client.ts';
import { meQuery } from '../api/me.ts';
import { messageOf } from '../api/message-of.ts';
import { signInTexts } from '../text/sign-in.ts';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';

/** Asks for a key. The server answers with a cookie that scripts cannot read; the page forgets the key. */
export function SignIn(): ReactNode {
  const queries = useQueryClient();
  const [key, setKey] = useState('');
  const signIn = useMutation({
    mutationFn: () => client.call('signIn', { body: { key: key.trim() } }),
    onSuccess: (me) => {
      setKey('');
      queries.setQueryData(meQuery.queryKey, me);
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    signIn.mutate();
  };
  return (
    <main className="mx-auto flex min-h-full max-w-sm flex-col justify-center gap-4 p-4">
      <h1 className="text-xl font-semibold">{signInTexts.title}</h1>
      <p className="text-muted">{signInTexts.hint}</p>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={signInTexts.key}
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          value={key}
          onChange={(event) => setKey(event.target.value)}
          error={signIn.error ? messageOf(signIn.error) : undefined}
        />
        <Button type="submit" look="primary" busy={signIn.isPending}>
          {signInTexts.action}
        </Button>
      </form>
    </main>
  );
}
