import type { ReadStream, WriteStream } from 'node:tty';
import { type AgentSession, ApiError, pause, ServerUnreachable } from 'claude-agent-client';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { type OpenedSession, resumeChosen } from '../open-session.ts';
import { createHistory } from '../term/history.ts';
import type { Key } from '../term/keys.ts';
import type { Panel } from '../term/panels.ts';
import { createPrompt } from '../term/prompt.ts';
import { createUi } from '../term/ui.ts';
import { renderItem, textOf } from '../view/render.ts';
import { emptyView, tasksOf } from '../view/state.ts';
import {
  activityLines,
  backgroundLine,
  connectionLine,
  footer,
  queuedLines,
  statusLine,
} from '../view/status.ts';
import { askUser } from './approvals.ts';
import type { Chat } from './chat.ts';
import { parseInput, runCommand } from './commands.ts';
import { createCompleter } from './complete.ts';
import { type Follower, follow } from './follow.ts';
import { attachImages } from './images.ts';
import { leavingLines } from './leaving.ts';
import { createOutbox } from './outbox.ts';

/** Twice within this time, Ctrl-C leaves. */
const TWICE_MS = 2000;

/** The interactive client: keys in, frames in, one screen out. Resolves when the user leaves. */
export async function runChat(
  context: Context,
  open: (chat: Chat) => Promise<(() => Promise<OpenedSession>) | undefined>,
): Promise<ExitCode> {
  const { paint, settings } = context;
  const left = Promise.withResolvers<ExitCode>();
  const quit = new AbortController();
  const approvals = new Map<string, AbortController>();
  let session: AgentSession | undefined;
  let follower: Follower | undefined;
  let isNew = false;
  let away: string | undefined;
  let lastCtrlC = Number.NEGATIVE_INFINITY;
  let hint = '';
  let ticker: NodeJS.Timeout | undefined;
  /** Lines that were entered before there was a session, in order. */
  const early: string[] = [];
  let isCatchingUp = false;

  const prompt = createPrompt({
    paint,
    history: createHistory(settings.historyFile),
    complete: createCompleter({
      cwd: () => follower?.view.cwd || settings.cwd,
      agentCommands: () => follower?.view.agentCommands ?? [],
      models: () => models,
    }),
    onChange: () => ui.refresh(),
  });
  let models: string[] = [];

  const ui = createUi({
    stdin: context.stdin as ReadStream,
    stdout: context.stdout as WriteStream,
    paint,
    prompt,
    above: (width, height) => aboveInput(width, height),
    below: (width) => [hint === '' ? footerLine(width) : paint.dim(`  ${hint}`)],
    placeholder: () =>
      session || away === undefined ? 'Type a message, or /help' : 'Your message will be sent',
    onSubmit: (text) => void submit(text),
    onKey: (key) => onKey(key),
  });

  const outbox = createOutbox({
    onChange: () => ui.refresh(),
    onRefused: (message, error) => {
      chat.say(`The message was not taken: ${error.detail}`, 'error');
      if (prompt.text === '') prompt.set(textOf(message));
    },
    reopen: async () => {
      const id = session?.id;
      if (id !== undefined) await chat.change(() => resumeChosen(context.client, context.args, id));
    },
  });

  const footerLine = (width: number): string => {
    if (away !== undefined) return paint.yellow(`  ! ${away}`);
    const view = follower?.view;
    if (view) return footer(view, width, paint);
    return ui.busy ? '' : paint.dim('  connecting…');
  };

  const aboveInput = (width: number, height: number): string[] => {
    const view = follower?.view ?? emptyView;
    const options = { width, paint, now: Date.now() };
    const status = statusLine(view, options);
    const lost = follower && connectionLine(follower.connection, width, paint);
    const queued = queuedLines(
      [...[...view.queued, ...outbox.waiting].map((entry) => entry.message), ...early],
      width,
      paint,
    );
    const background = backgroundLine(view, options);
    const busy = [status, background].filter((line) => line !== undefined);
    const below = [...(busy.length > 0 ? ['', ...busy] : []), ...(lost ? [lost] : []), ...queued];
    const activity = activityLines(view, { ...options, height: Math.max(0, height - below.length - 1) });
    return [...activity, ...below, ''];
  };

  /** Redraws while something on the screen moves by itself: the clock and the spinner. */
  const keepTicking = (): void => {
    const view = follower?.view;
    const moves = view !== undefined && (view.turn !== undefined || tasksOf(view).length > 0);
    if (moves && ticker === undefined) ticker = setInterval(() => ui.refresh(), 100);
    if (!moves && ticker !== undefined) {
      clearInterval(ticker);
      ticker = undefined;
    }
  };

  const onChange = (): void => {
    keepTicking();
    watchPermissions();
    ui.refresh();
  };

  /** Opens a panel for each new request, and closes those that were settled elsewhere. */
  const watchPermissions = (): void => {
    if (!follower?.isLive || !session) return;
    const open = follower.view.permissions;
    for (const [id, moot] of approvals) {
      if (!open.some((request) => request.request_id === id)) {
        moot.abort();
        approvals.delete(id);
      }
    }
    const asked = session;
    for (const request of open) {
      if (approvals.has(request.request_id)) continue;
      const moot = new AbortController();
      approvals.set(request.request_id, moot);
      const waiting = (): number => follower?.view.permissions.length ?? 1;
      askUser(request, { open: (panel) => ui.open(interruptible(panel), moot.signal), paint, waiting })
        .then(async (answer) => {
          if (answer === undefined || moot.signal.aborted) return;
          const { mode, ...response } = answer;
          // The mode first: what the agent does next may begin before a second request arrives.
          if (mode !== undefined) await asked.setMode(mode);
          await asked.respond({ request_id: request.request_id, ...response });
        })
        .catch((error: unknown) => report(error));
    }
  };

  /** Ctrl-C means the turn also while the agent asks something; the interrupt settles the question. */
  const interruptible = <T>(panel: Panel<T>): Panel<T> => ({
    ...panel,
    key(key) {
      if (!key.ctrl || key.name !== 'c') return panel.key(key);
      onKey(key);
      return undefined;
    },
  });

  const onKey = (key: Key): void => {
    const now = performance.now();
    const isRunning = follower?.view.turn !== undefined;
    if (key.ctrl && key.name === 'd') {
      chat.leave();
    } else if (key.ctrl && key.name === 'c') {
      if (now - lastCtrlC < TWICE_MS) chat.leave();
      lastCtrlC = now;
      const isBackground = !isRunning && tasksOf(chat.view).length > 0;
      hint = `Press Ctrl-C again to leave${isBackground ? '; /tasks shows and stops what runs in the background' : ''}`;
      setTimeout(() => {
        hint = '';
        ui.refresh();
      }, TWICE_MS).unref();
      if (isRunning) interrupt();
    } else if (key.name === 'escape' && isRunning) {
      interrupt();
    }
  };

  const interrupt = (): void => {
    session?.interrupt().catch(report);
  };

  const report = (error: unknown): void => {
    if (quit.signal.aborted) return;
    const text =
      error instanceof ApiError ? error.detail : error instanceof Error ? error.message : String(error);
    chat.say(text, 'error');
  };

  const submit = async (text: string): Promise<void> => {
    hint = '';
    const command = parseInput(text, follower?.view.agentCommands ?? []);
    const isOfProgram = command !== undefined && 'command' in command && command.command.isOfProgram === true;
    if (!isOfProgram && (session === undefined || isCatchingUp)) early.push(text);
    else await run(text, command);
    ui.refresh();
  };

  /** What was entered before the session was there, one line after the other. */
  const catchUp = async (): Promise<void> => {
    if (isCatchingUp) return;
    isCatchingUp = true;
    for (let text = early.shift(); text !== undefined; text = early.shift()) await run(text);
    isCatchingUp = false;
  };

  const run = async (text: string, command = parseInput(text, chat.view.agentCommands)): Promise<void> => {
    try {
      if (command) await runCommand(chat, command);
      else chat.send(await attachImages(text, settings.cwd));
    } catch (error) {
      report(error);
    }
  };

  const attach = async (opened: OpenedSession): Promise<void> => {
    session = opened.session;
    isNew = opened.isNew;
    follower = await follow({
      session: opened.session,
      onItems: (items) => chat.show(...items),
      onChange,
      onError: report,
    });
    outbox.setSession(session);
    onChange();
    void catchUp();
    void opened.session.serverInfo().then(
      (info) => {
        models = modelNames(info.models);
      },
      () => undefined,
    );
  };

  const detach = (): void => {
    follower?.stop();
    follower = undefined;
    outbox.setSession(undefined);
    for (const moot of approvals.values()) moot.abort();
    approvals.clear();
    session = undefined;
    keepTicking();
  };

  const chat: Chat = {
    context,
    ui,
    get session() {
      return session;
    },
    get view() {
      return follower?.view ?? emptyView;
    },
    get models() {
      return models;
    },
    show(...items) {
      ui.print(items.flatMap((item) => renderItem(item, { width: ui.width, paint })));
    },
    print: (lines) => ui.print(lines),
    say: (text, level = 'info') => chat.show({ kind: 'notice', level, text }),
    send: (message) => outbox.add(message),
    async change(openNext) {
      const before = session;
      const wasUnused = isNew && isUnused(follower);
      const opened = await untilServerAnswers(openNext);
      if (!opened) return;
      detach();
      if (wasUnused && before && before.id !== opened.session.id) await before.close().catch(() => undefined);
      if (opened.notice) chat.say(opened.notice, 'warning');
      await untilServerAnswers(() => attach(opened));
    },
    get isWriting() {
      return prompt.text !== '' || early.length > 0 || outbox.waiting.length > 0;
    },
    leave() {
      left.resolve(EXIT.done);
    },
  };

  /** Tries again for as long as nobody answers: the server may be starting. */
  const untilServerAnswers = async <T>(attempt: () => Promise<T>): Promise<T | undefined> => {
    for (let tries = 0; !quit.signal.aborted; tries += 1) {
      try {
        const value = await attempt();
        away = undefined;
        return value;
      } catch (error) {
        if (!(error instanceof ServerUnreachable)) throw error;
        away = `${error.message} Trying again…`;
        ui.refresh();
        await pause(Math.min(5000, 300 * 2 ** Math.min(tries, 5)), quit.signal);
      }
    }
    return undefined;
  };

  const begin = async (): Promise<void> => {
    const openFirst = await untilServerAnswers(() => open(chat));
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
  clearInterval(ticker);
  const last = session;
  const lastView = chat.view;
  const wasUnused = isNew && isUnused(follower) && !outbox.waiting.length && !early.length;
  outbox.close();
  detach();
  ui.close();
  if (last && wasUnused) await last.close().catch(() => undefined);
  else if (last) {
    const lines = leavingLines(context, last.id, lastView);
    context.stdout.write(lines.map((line) => `${paint.dim(line)}\n`).join(''));
  }
  // Without a session there is nothing to do here: whoever started the program is told why.
  if (failure !== undefined) throw failure;
  return code;
}

/** A session in which nothing was said need not stay. */
function isUnused(follower: Follower | undefined): boolean {
  const view = follower?.view;
  return view !== undefined && view.turn === undefined && view.queued.length === 0 && view.turns === 0;
}

function modelNames(models: unknown): string[] {
  if (!Array.isArray(models)) return [];
  return models.flatMap((model: { value?: unknown }) =>
    typeof model.value === 'string' ? [model.value] : [],
  );
}
