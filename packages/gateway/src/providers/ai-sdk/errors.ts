import { APICallError, InvalidPromptError, UnsupportedFunctionalityError } from '@ai-sdk/provider';
import { TransportError } from '../../transport/transport.ts';
import { describeError, fromTransport, readError, type UpstreamFailure } from '../../upstream/error.ts';

const googleCredentials =
  /could not load the default credentials|error code invalid_|invalid_grant|invalid_client/i;

/** Converts an error of a provider's package to an upstream failure. */
export function describeSdkError(error: unknown, provider: string): UpstreamFailure {
  const transport = error instanceof TransportError ? error : (error as { cause?: unknown } | null)?.cause;
  if (transport instanceof TransportError) return fromTransport(transport, provider);
  if (APICallError.isInstance(error)) {
    const status = error.statusCode ?? 502;
    // The package could not read the body of a 200: the upstream is at fault.
    if (status < 400) return { status: 502, message: `${provider} sent something unreadable`, headers: {} };
    const read = readError(status, error.responseHeaders ?? {}, error.responseBody ?? '');
    return error.responseBody ? read : { ...read, message: error.message };
  }
  if (UnsupportedFunctionalityError.isInstance(error) || InvalidPromptError.isInstance(error)) {
    return { status: 400, message: error.message, headers: {} };
  }
  if (error instanceof Error && error.name.startsWith('AI_')) {
    return {
      status: 502,
      message: `${provider} sent something unreadable: ${error.message.slice(0, 200)}`,
      headers: {},
    };
  }
  // From Google's library, before anything is sent: a retry would find the same credentials.
  if (error instanceof Error && googleCredentials.test(error.message)) {
    return { status: 401, message: error.message, headers: {} };
  }
  return describeError(error instanceof Error ? error.message : error);
}
