import { z } from 'zod';

/** What the configuration says of web pages. */
export const BROWSER_FIELDS = {
  allowed_origins: z
    .array(z.string().regex(/^https?:\/\/[^/\s*]+$/, 'must be an origin such as https://app.example.com'))
    .optional(),
  allowed_hosts: z
    .array(z.string().regex(/^[\w.-]+$/, 'must be a name such as agents.example.com'))
    .optional(),
  cors_credentials: z.boolean().optional(),
};

export interface BrowserConfig {
  /** Origins whose pages may call the server. */
  origins: readonly string[];
  /** Names that it is reached under, in lower case. */
  hosts: readonly string[];
  /** Whether pages may send cookies along. */
  credentials: boolean;
}

export const readBrowsers = (file: z.infer<z.ZodObject<typeof BROWSER_FIELDS>>): BrowserConfig => ({
  origins: file.allowed_origins ?? [],
  hosts: (file.allowed_hosts ?? []).map((name) => name.toLowerCase()),
  credentials: file.cors_credentials ?? false,
});
