import type { z } from 'zod';
import { BROWSER_FIELDS, type BrowserConfig, readBrowsers } from './browser-config.ts';
import { JWT_FIELDS, type JwtConfig, readJwtConfig } from './jwt.ts';

/** What the configuration says of callers, besides keys and policies. */
export const ACCESS_FIELDS = { ...BROWSER_FIELDS, ...JWT_FIELDS };

export interface AccessConfig {
  browsers: BrowserConfig;
  /** The identity provider whose tokens are taken. */
  jwt: JwtConfig | undefined;
}

export const readAccess = (settings: z.output<z.ZodObject<typeof ACCESS_FIELDS>>): AccessConfig => ({
  browsers: readBrowsers(settings),
  jwt: readJwtConfig(settings.jwt),
});
