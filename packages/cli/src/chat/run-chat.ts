import type { ReadStream, WriteStream } from 'node:tty';
import { ApiError } from 'claude-agent-client';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { OpenedSession } from '../open-session.ts';
import { createHistory } from '../term/history.ts';
import { type Completer, createPrompt } from '../term/prompt.ts';
import { createUi } from '../term/ui.ts';
import { emptyView, tasksOf } from '../view/state.ts';
import type { Chat } from './chat.ts';
import type { LiveSession } from './live-session.ts';
import { createStopKeys } from './stop-keys.ts';
import { createTypedLines } from './typed-lines.ts';
import { untilServerAnswers } from './until-server-answers.ts';

/**
 * The interactive client: keys in, frames in, one screen out. Resolves when the user leaves.
 *
 * The prompt comes first: what shows a session (live-session.ts and the libraries it draws with) is loaded when the
 * prompt is on the screen. That took 20 of the 62 ms of processor time before it.
 */
export async function runChat(
  context: Context,
  open: (chat: Chat) => Promise<(() => Promise<OpenedSession>) | undefined>,
): Promise<ExitCode> {
  const { paint, settings } = context;
  const left = Promise.withResolvers<ExitCode>();
  const quit = new AbortController();
  let live: LiveSession | undefined;
  let away: string | undefined;

  const prompt = createPrompt({
    paint,
    history: createHistory(settings.historyFile),
    complete: (text, cursor) => complete(text, cursor),
    onChange: () => ui.refresh(),
  });

  const ui = createUi({
    stdin: context.stdin as ReadStream,
    stdout: context.stdout as WriteStream,
    paint,
    prompt,
    above: (width, height) => live?.above(width, height, lines.waiting) ?? [''],
    below: (width) => [stopKeys.hint === '' ? footerLine(width) : paint.dim(`  ${stopKeys.hint}`)],
    placeholder: () =>
      live?.session || away === undefined ? 'Type a message, or /help' : 'Your message will be sent',
    onSubmit: (text) => {
      stopKeys.clearHint();
      void lines.submit(text).then(ui.refresh);
    },
    onKey: (key) => stopKeys.press(key),
  });

  const footerLine = (width: number): string => {
    if (away !== undefined) return paint.yellow(`  ! ${away}`);
    return live?.footer(width) ?? (ui.busy ? '' : paint.dim('  connecting…'));
  };

  const report = (error: unknown): void => {
    if (quit.signal.aborted) return;
    const text =
      error instanceof ApiError ? error.detail : error instanceof Error ? error.message : String(error);
    chat.say(text, 'error');
  };

  const stopKeys = createStopKeys({
    isTurnRunning: () => chat.view.turn !== undefined,
    hasBackgroundTasks: () => tasksOf(chat.view).length > 0,
    interrupt: () => void chat.session?.interrupt().catch(report),
    leave: () => chat.leave(),
    onChange: () => ui.refresh(),
  });

  /** Loads the part that shows sessions, once. */
  const loadLive = async (): Promise<LiveSession> => {
    const { createLiveSession } = await import('./live-session.ts');
    live ??= createLiveSession({ chat, prompt, onCtrlC: stopKeys.press, onError: report });
    return live;
  };

  const waitOptions = {
    signal: quit.signal,
    onAway(problem: string | undefined) {
      away = problem;
      ui.refresh();
    },
  };

  const chat: Chat = {
    context,
    ui,
    get session() {
      return live?.session;
    },
    get view() {
      return live?.view ?? emptyView;
    },
    get models() {
      return live?.models ?? [];
    },
    show(...items) {
      if (live) ui.print(items.flatMap(live.render));
      else void loadLive().then(({ render }) => ui.print(items.flatMap(render)));
    },
    print: (printed) => ui.print(printed),
    say: (text, level = 'info') => chat.show({ kind: 'notice', level, text }),
    send: (message) => live?.send(message),
    async change(openNext) {
      const opened = await untilServerAnswers(openNext, waitOptions);
      if (!opened) return;
      const shown = await loadLive();
      const before = shown.session;
      const wasUnused = shown.isUnused;
      shown.detach();
      if (wasUnused && before && before.id !== opened.session.id) await before.close().catch(() => undefined);
      for (const notice of opened.notices) chat.say(notice, 'warning');
      await untilServerAnswers(() => shown.attach(opened), waitOptions);
      void lines.catchUp();
    },
    get isWriting() {
      return prompt.text !== '' || lines.waiting.length > 0 || live?.isSending === true;
    },
    leave() {
      left.resolve(EXIT.done);
    },
  };
  const lines = createTypedLines({ chat, onError: report });
  const complete = createLazyCompleter(chat);

  const begin = async (): Promise<void> => {
    const [openFirst] = await Promise.all([
      untilServerAnswers(() => open(chat), waitOptions),
      loadLive().then(ui.refresh),
    ]);
    if (openFirst) await chat.change(openFirst);
  };

  ui.start();
  const onHangup = (): void => left.resolve(EXIT.interrupted);
  process.on('SIGTERM', onHangup);
  process.on('SIGHUP', onHangup);
  // Whatever ends the program, the terminal is given back.
  process.once('exit', ui.close);
  let failure: unknown;
  begin().catch((error: unknown) => {
    failure = error;
    left.resolve(EXIT.failed);
  });
  const code = await left.promise;
  process.off('SIGTERM', onHangup);
  process.off('SIGHUP', onHangup);
  quit.abort();
  const { session, view } = chat;
  const isUnused = live?.isUnused === true && !live.isSending && lines.waiting.length === 0;
  live?.close();
  ui.close();
  if (session && isUnused) await session.close().catch(() => undefined);
  else if (session) {
    const { leavingLines } = await import('./leaving.ts');
    const last = leavingLines(context, session.id, view);
    context.stdout.write(last.map((line) => `${paint.dim(line)}\n`).join(''));
  }
  // Without a session there is nothing to do here: the caller says why.
  if (failure !== undefined) throw failure;
  return code;
}

/** Completion, loaded with the first character that is typed. */
function createLazyCompleter(chat: Chat): Completer {
  let completer: Completer | undefined;
  return async (text, cursor) => {
    const { createCompleter } = await import('./complete.ts');
    completer ??= createCompleter({
      cwd: () => chat.view.cwd || chat.context.settings.cwd,
      agentCommands: () => chat.view.agentCommands,
      models: () => chat.models,
    });
    return completer(text, cursor);
  };
}
