import { type AgentSession, resultOf, stopTurns } from 'claude-agent-client';
import type { PermissionRequest, StreamFrame, TurnResult, UserInput } from 'claude-agent-protocol';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../exit.ts';
import { openSession } from '../open-session.ts';
import { isPiped, readStandardInput, withImages } from '../prompt-input.ts';
import { toolArgument, toolTitle } from '../view/tools.ts';

/** `claude-agent -p`: one prompt, its answer on standard output, everything else on standard error. */
export async function print(context: Context): Promise<ExitCode> {
  const { args, client, settings, stderr } = context;
  const message = await readPrompt(context);
  const opened = await openSession(client, args, settings.cwd);
  for (const notice of opened.notices) stderr.write(`${notice}\n`);
  const { session } = opened;

  let interrupted = false;
  let turnId: string | undefined;
  /** Ends what was asked for. In a session that others may use, what else goes on there is not ours to end. */
  const stop = (): Promise<void> => {
    if (opened.isNew) return session.interrupt({ scope: 'all' });
    return turnId === undefined ? session.interrupt() : stopTurns(session, [turnId]);
  };
  const onSignal = (): void => {
    // The second Ctrl-C does not wait for the server.
    if (interrupted) process.exit(EXIT.interrupted);
    interrupted = true;
    stop().catch(() => undefined);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const { result, refused } = await runTurn(context, session, message, {
      stop,
      onTurn: (id) => {
        turnId ??= id;
      },
    });
    if (refused) {
      stderr.write(permissionHelp(refused));
      return EXIT.permissionNeeded;
    }
    writeResult(context, result);
    if (interrupted) return EXIT.interrupted;
    if (result.is_error) stderr.write(`${result.error?.message ?? 'The turn failed.'}\n`);
    return result.is_error ? EXIT.failed : EXIT.done;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    // Nobody else knows this session: its process would only sit there. It can still be resumed.
    if (opened.isNew) await session.close().catch(() => undefined);
  }
}

async function readPrompt({ args, stdin }: Context): Promise<UserInput> {
  const typed = args.print === '-' ? '' : (args.print ?? '');
  const piped = typed === '' || isPiped() ? await readStandardInput(stdin) : '';
  const text = [typed, piped.trimEnd()].filter((part) => part !== '').join('\n\n');
  if (text.trim() === '' && args.images.length === 0) {
    throw new UsageError('The prompt is empty. Give one with -p "…" or on standard input.');
  }
  return withImages(text, args.images);
}

interface Ran {
  result: TurnResult;
  /** The request that ended the turn because nobody is here to answer it. */
  refused: PermissionRequest | undefined;
}

/** Runs to the end of all that the prompt began, background work and its report included, as `claude -p` does. */
async function runTurn(
  context: Context,
  session: AgentSession,
  message: UserInput,
  { stop, onTurn }: { stop(): Promise<void>; onTurn(id: string): void },
): Promise<Ran> {
  const { args, stderr } = context;
  let refused: PermissionRequest | undefined;
  const turn = session.send(message, {
    waitFor: 'background',
    onConnection: (connection) => {
      if (connection.state === 'retrying') stderr.write('The connection was lost; trying again…\n');
    },
  });
  for await (const frame of turn) {
    if (frame.turn_id !== null) onTurn(frame.turn_id);
    if (args.outputFormat === 'stream-json') writeFrame(context, frame);
    if (frame.type !== 'permission.requested') continue;
    const request = frame.data;
    // A question has no yes or no: allowing it would answer nothing.
    if (
      args.onPermission === 'fail' ||
      (args.onPermission === 'allow' && request.kind !== 'tool' && request.kind !== 'plan')
    ) {
      refused ??= request;
      await stop();
    } else {
      const allowed = args.onPermission === 'allow';
      const answer = { request_id: request.request_id, allowed };
      await session
        .respond(allowed ? answer : { ...answer, message: 'Nobody is here to give permission.' })
        .catch((error: unknown) => stderr.write(`${error instanceof Error ? error.message : error}\n`));
    }
  }
  return { result: await turn, refused };
}

/** The SDK's own messages, one a line, as other programs for this format expect. */
function writeFrame({ stdout }: Context, frame: StreamFrame): void {
  if (frame.type === 'agent.message') stdout.write(`${JSON.stringify(frame.data)}\n`);
  else if (resultOf(frame) === undefined && frame.type.startsWith('permission.')) {
    stdout.write(`${JSON.stringify(frame)}\n`);
  }
}

function writeResult({ args, stdout }: Context, result: TurnResult): void {
  if (args.outputFormat === 'text') {
    const text = answerText(result);
    if (text !== '') stdout.write(`${text.trimEnd()}\n`);
  } else if (args.outputFormat === 'json') {
    stdout.write(`${JSON.stringify({ ...result, result: answerText(result) })}\n`);
  }
}

/** What the agent said at the end: everything after its last tool call. */
export function answerText(result: TurnResult): string {
  const lastTool = result.messages.findLastIndex((item) => item.type === 'tool_use');
  const texts = (from: number): string[] =>
    result.messages.slice(from).flatMap((item) => (item.type === 'text' ? [item.content] : []));
  const final = texts(lastTool + 1);
  return (final.length > 0 ? final : texts(0).slice(-1)).join('\n\n');
}

function permissionHelp(request: PermissionRequest): string {
  const argument = toolArgument(request.tool_name, request.tool_input);
  const call = `${toolTitle(request.tool_name)}${argument ? `(${argument})` : ''}`;
  const how =
    request.kind === 'tool'
      ? `Run it where you can answer, or add --on-permission allow, --mode acceptEdits (for changes of files) or, where the server's configuration allows it, --allowed-tools "${request.tool_name}".`
      : 'It needs an answer from a person: run it in a terminal without -p.';
  return `The agent needs permission for ${call}. ${how}\n`;
}
