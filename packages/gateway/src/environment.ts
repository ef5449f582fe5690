/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of the process, for main.ts; no other code reads it. */
export function processEnvironment(): Environment {
  return { ...process.env };
}

/** The proxies for requests to providers, from the variables that curl and most other programs read. */
export function proxiesOf(env: Environment): { http?: string; https?: string; except?: string } {
  const first = (...names: string[]) => names.map((name) => env[name]).find((value) => value);
  const http = first('http_proxy', 'HTTP_PROXY');
  const https = first('https_proxy', 'HTTPS_PROXY');
  const except = first('no_proxy', 'NO_PROXY');
  return { ...(http && { http }), ...(https && { https }), ...(except && { except }) };
}
