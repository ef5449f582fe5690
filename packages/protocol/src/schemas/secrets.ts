import { z } from 'zod';

/** A host, or a pattern of hosts: with a port, or without. */
export const HostPattern = z
  .string()
  .max(300)
  .regex(
    /^(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:([1-9]\d{0,4}))?$/i,
    'must be a host, such as example.org, *.example.org or example.org:8443',
  )
  .refine((text) => Number(/:(\d+)$/.exec(text)?.[1] ?? 0) <= 65_535, 'has a port above 65535');

/** Where a secret may go: over TLS, unless it says `http://`. */
const SecretHost = z
  .union([HostPattern, z.templateLiteral(['http://', z.string()])])
  .refine(
    (text) => HostPattern.safeParse(text.replace(/^http:\/\//, '')).success,
    'must be a host, such as example.org, *.example.org or example.org:8443; with http:// before it, the secret goes there without TLS',
  );

/** Variables that programs and the agent need for themselves: with a placeholder in them, nothing would run. */
const RESERVED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|TZ|TERM|TMPDIR|TEMP|TMP|IFS|ENV|IS_SANDBOX|(ANTHROPIC|CLAUDE|AGENT_SERVER|DISABLE|LC|LD|BASH|XDG|OTEL|BUN)_.*|CLAUDECODE|NODE_(OPTIONS|PATH|EXTRA_CA_CERTS|USE_ENV_PROXY|CHANNEL_.*)|.*_PROXY|SSL_CERT_.*|(CURL|AWS)_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_(SSL_CAINFO|CONFIG_.*|EXEC_PATH|SSH_COMMAND))$/i;

/** @returns what is wrong with the name of a secret, which is that of a variable */
function wrongName(name: string): string | undefined {
  if (!/^[A-Za-z_]\w{0,99}$/.test(name))
    return 'must be named like a variable: letters, digits and underscores';
  return RESERVED.test(name) ? 'is a variable that programs need for themselves' : undefined;
}

/** It is put into headers. A short one would be found in them by chance. */
export const SecretValue = z
  .string()
  .min(8, 'must have at least 8 characters')
  .max(8_192)
  .regex(
    /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/,
    'must be ASCII without control characters or spaces around it',
  );

export const SecretHosts = z.array(SecretHost).min(1).max(100);

const SecretSource = z
  .strictObject({
    value: SecretValue.optional(),
    from: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'A secret of the configuration, by its name' }),
    hosts: SecretHosts.optional().meta({
      description: 'Where it may go. With `from`: fewer than the configuration says',
    }),
  })
  .refine(
    ({ value, from }) => (value === undefined) !== (from === undefined),
    'takes either "value" or "from"',
  )
  .refine(({ value, hosts }) => value === undefined || hosts !== undefined, {
    message: 'is needed with "value"',
    path: ['hosts'],
  });

/** The secrets of a session, by the variable that stands for each. */
export const Secrets = z.record(z.string(), SecretSource).superRefine((secrets, context) => {
  const names = Object.keys(secrets);
  if (names.length > 100) context.addIssue({ code: 'custom', message: 'has more than 100 entries' });
  for (const name of names) {
    const message = wrongName(name);
    if (message !== undefined) context.addIssue({ code: 'custom', message, path: [name] });
  }
});
export type Secrets = z.infer<typeof Secrets>;

/** What is shown of them. */
export const SessionSecrets = z
  .record(z.string(), z.object({ from: z.string().nullable(), hosts: z.array(z.string()) }))
  .meta({ description: 'Names of the secrets that its agent has placeholders for, and where they may go' });
