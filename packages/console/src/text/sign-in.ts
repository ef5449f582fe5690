/** Words of the page that asks who the reader is. */
export const signInTexts = {
  title: 'Sign in',
  hint: 'This server needs a key. Your browser keeps a sealed cookie instead of it; sign out removes that.',
  key: 'Key',
  action: 'Sign in',
  with: (provider: string): string => `Sign in with ${provider}`,
  orKey:
    'Or with a key of this server. Your browser keeps a sealed cookie instead of it; sign out removes that.',
  withKey: 'Sign in with the key',
  /** By the reason that the server gives. */
  errors: {
    access_denied: 'You were not signed in: you or the identity provider said no. Try again.',
    login_expired:
      'This sign-in was used already, took longer than ten minutes, or was begun in another browser. Sign in again.',
    no_role:
      'The identity provider knows you, but you have no role on this server. Ask its operator for one.',
    provider_failed:
      'The identity provider gave an answer that this server cannot take. Try again; if that goes on, tell the operator of this server.',
    provider_unreachable:
      'The identity provider does not answer. Try again; if that goes on, tell the operator of this server.',
    not_configured:
      'This server is not set up to sign in at an identity provider from this address. Tell its operator, or use a key.',
  } as Readonly<Record<string, string>>,
  failed: 'You were not signed in. Try again; if that goes on, tell the operator of this server.',
};
