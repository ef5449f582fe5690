/**
 * The service worker: shows what is pushed, and says when there is no connection. It keeps nothing: every page and every
 * answer of the server comes from the server.
 */
import { workerTexts as texts } from './text/worker.ts';

/** What is needed of a service worker's own types, which do not go together with those of a page. */
interface Worker {
  registration: ServiceWorkerRegistration;
  clients: {
    matchAll(query: { type: 'window'; includeUncontrolled: boolean }): Promise<readonly WindowClient[]>;
    openWindow(url: string): Promise<unknown>;
    claim(): Promise<void>;
  };
  skipWaiting(): Promise<void>;
  addEventListener<K extends keyof WorkerEvents>(type: K, listener: (event: WorkerEvents[K]) => void): void;
}
interface WindowClient {
  url: string;
  visibilityState: DocumentVisibilityState;
  focus(): Promise<unknown>;
  postMessage(message: unknown): void;
}
interface Waiting {
  waitUntil(work: Promise<unknown>): void;
}
interface WorkerEvents {
  install: Waiting;
  activate: Waiting;
  push: Waiting & { data: { json(): unknown } | null };
  notificationclick: Waiting & { notification: Notification };
  fetch: { request: Request; respondWith(response: Promise<Response>): void };
}

/** What the server sends: `packages/server/src/push/push.ts`. */
interface Told {
  type?: 'permission' | 'test';
  session_id?: string;
  request_id?: string;
  session_title?: string | null;
  tool_name?: string;
  kind?: string;
}

const worker = self as unknown as Worker;

worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('push', (event) => event.waitUntil(show((event.data?.json() ?? {}) as Told)));
worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(String((event.notification.data as { path?: string } | null)?.path ?? 'inbox')));
});
worker.addEventListener('fetch', (event) => {
  if (event.request.mode === 'navigate') event.respondWith(fetch(event.request).catch(offline));
});

const windows = async (): Promise<readonly WindowClient[]> =>
  (await worker.clients.matchAll({ type: 'window', includeUncontrolled: true })).filter(({ url }) =>
    url.startsWith(worker.registration.scope),
  );

async function show(told: Told): Promise<void> {
  // A reader who has the console before the eyes sees it there.
  if (told.type !== 'test' && (await windows()).some((each) => each.visibilityState === 'visible')) return;
  const { session_id: session, request_id: request } = told;
  const path = session && request ? `inbox/${session}/${encodeURIComponent(request)}` : 'inbox';
  await worker.registration.showNotification(titleOf(told), {
    body: bodyOf(told),
    // The same request is shown once, whoever tells of it.
    tag: request ?? 'test',
    icon: new URL('icon-192.png', worker.registration.scope).href,
    data: { path },
  });
}

const titleOf = ({ type, session_title: title }: Told): string =>
  type === 'test' ? texts.title : (title ?? texts.untitled);

function bodyOf({ type, kind = '', tool_name: tool }: Told): string {
  if (type === 'test') return texts.test;
  return texts.kinds[kind] ?? (tool === undefined ? texts.other : texts.waits(tool));
}

/** Shows a page of the console, in a window that is open if there is one. */
async function open(path: string): Promise<void> {
  const [window] = await windows();
  if (!window) {
    await worker.clients.openWindow(new URL(path, worker.registration.scope).href);
    return;
  }
  window.postMessage({ open: path });
  await window.focus();
}

function offline(): Response {
  const { title, text, retry } = texts.offline;
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${title}</title><h1>${title}</h1><p>${text}</p><p><a href="">${retry}</a></p></html>`;
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'",
  };
  return new Response(page, { status: 503, headers });
}
