/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The program's own environment, for main.ts: the only place that reads it. */
export function processEnvironment(): Environment {
  return { ...process.env };
}

/** The proxies that requests to providers leave through, in the variables that curl and most others read. */
export function proxiesOf(env: Environment): { http?: string; https?: string; except?: string } {
  const first = (...names: string[]) => names.map((name) => env[name]).find((value) => value);
  const http = first('http_proxy', 'HTTP_PROXY');
  const https = first('https_proxy', 'HTTPS_PROXY');
  const except = first('no_proxy', 'NO_PROXY');
  return { ...(http && { http }), ...(https && { https }), ...(except && { except }) };
}
