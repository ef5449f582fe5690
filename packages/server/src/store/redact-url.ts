/** The address of a database without its password, for messages. */
export const redactUrl = (url: string): string =>
  url
    .replace(
      /^([a-z+]+:\/\/)([^/?#]*)@/i,
      (_, scheme: string, user: string) => `${scheme}${user.split(':')[0]}@`,
    )
    .replaceAll(/([?&](?:password|sslpassword)=)[^&#]*/gi, '$1***');
