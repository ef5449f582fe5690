import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { client } from '../api/client.ts';
import { messageOf } from '../api/message-of.ts';
import { enter, providerUrl, renewSignIn, signInError, signInQuery } from '../api/sign-in.ts';
import { signInTexts } from '../text/sign-in.ts';
import { Button, ButtonLink } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Failure, Loading } from '../ui/states.tsx';

/** Asks who the reader is, unless the identity provider still knows that. */
export function SignIn(): ReactNode {
  const queries = useQueryClient();
  const ways = useQuery(signInQuery);
  const renewal = useMutation({
    mutationFn: () => renewSignIn(undefined),
    onSuccess: (me) => me && enter(queries, me),
  });
  const { mutate: renew, isIdle } = renewal;
  const mayRenew = (ways.data?.renewable ?? false) && isIdle;
  useEffect(() => {
    if (mayRenew) renew();
  }, [mayRenew, renew]);
  if (ways.error) return <Failure problem={ways.error} retry={() => void ways.refetch()} />;
  if (!ways.data || mayRenew || renewal.isPending) return <Loading />;
  const { oidc } = ways.data;
  return (
    <main className="mx-auto flex min-h-full max-w-sm flex-col justify-center gap-4 p-4">
      <h1 className="text-xl font-semibold">{signInTexts.title}</h1>
      {signInError !== undefined && (
        <p role="alert" className="rounded-lg border border-line bg-bad-soft p-3 text-bad">
          {signInTexts.errors[signInError] ?? signInTexts.failed}
        </p>
      )}
      {oidc && (
        <ButtonLink href={providerUrl()} look="primary">
          {signInTexts.with(oidc.name)}
        </ButtonLink>
      )}
      <p className="text-muted">{oidc ? signInTexts.orKey : signInTexts.hint}</p>
      <KeyForm isOnly={!oidc} />
    </main>
  );
}

/** Asks for a key. The server answers with a cookie that scripts cannot read; the page forgets the key. */
function KeyForm({ isOnly }: { isOnly: boolean }): ReactNode {
  const queries = useQueryClient();
  const [key, setKey] = useState('');
  const signIn = useMutation({
    mutationFn: () => client.call('signIn', { body: { key: key.trim() } }),
    onSuccess: (me) => {
      setKey('');
      enter(queries, me);
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    signIn.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label={signInTexts.key}
        type="password"
        autoComplete="current-password"
        autoFocus={isOnly}
        required
        value={key}
        onChange={(event) => setKey(event.target.value)}
        error={signIn.error ? messageOf(signIn.error) : undefined}
      />
      <Button type="submit" look={isOnly ? 'primary' : 'plain'} busy={signIn.isPending}>
        {isOnly ? signInTexts.action : signInTexts.withKey}
      </Button>
    </form>
  );
}
