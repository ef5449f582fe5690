/** Words of the page that asks for a key. */
export const signInTexts = {
  title: 'Sign in',
  hint: 'This server needs a key. Your browser keeps a sealed cookie instead of it; sign out removes that.',
  key: 'Key',
  action: 'Sign in',
};
