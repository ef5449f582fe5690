import { client, consoleUrl } from './client.ts';

/** Starts the service worker of the console; not on pages that are neither HTTPS nor of this machine. */
export async function startWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  // Without it the console works as well, only without notifications and a word when there is no connection.
  await navigator.serviceWorker
    .register(new URL('sw.js', consoleUrl), { scope: consoleUrl.pathname, updateViaCache: 'none' })
    .catch(() => undefined);
}

const registration = async (): Promise<ServiceWorkerRegistration | undefined> =>
  'serviceWorker' in navigator ? navigator.serviceWorker.getRegistration(consoleUrl.href) : undefined;

const subscription = async (): Promise<PushSubscription | undefined> =>
  (await (await registration())?.pushManager?.getSubscription()) ?? undefined;

/** Shows a note of the system; a click on it opens a page of the console. */
export async function showNote(
  title: string,
  { body, tag, path }: { body: string; tag: string; path: string },
): Promise<void> {
  const icon = new URL('icon-192.png', consoleUrl).href;
  await (await registration())?.showNotification(title, { body, tag, icon, data: { path } });
}

/** Whether this browser can be pushed to, and the key to subscribe with. */
export type PushState =
  | { state: 'unsupported' | 'off' }
  | { state: 'ready'; publicKey: string; id: string | undefined };

/** @returns `id`: the reader's subscription of this browser */
export async function readPush(): Promise<PushState> {
  const publicKey = await client.push.publicKey();
  if (publicKey === null) return { state: 'off' };
  if ((await registration())?.pushManager === undefined) return { state: 'unsupported' };
  const own = await subscription();
  const known = own && (await client.push.list()).find(({ endpoint }) => endpoint === own.endpoint);
  return { state: 'ready', publicKey, id: known?.id };
}

/** @returns the id of the subscription */
export async function subscribePush(publicKey: string): Promise<string> {
  // Of another reader, or for another key of the server: its endpoint is given up.
  await (await subscription())?.unsubscribe();
  const manager = (await registration())?.pushManager;
  const made = await manager?.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
  const { endpoint = '', keys = {} } = made?.toJSON() ?? {};
  const { p256dh = '', auth = '' } = keys;
  const label = navigator.userAgent.slice(0, 100);
  return (await client.push.subscribe({ endpoint, keys: { p256dh, auth }, label })).id;
}

/** Ends the reader's subscription of this browser; quietly, also when the server is not there. */
export async function leavePush(): Promise<void> {
  try {
    const own = await subscription();
    if (!own) return;
    const known = (await client.push.list()).find(({ endpoint }) => endpoint === own.endpoint);
    if (known) await client.push.remove(known.id);
    await own.unsubscribe();
  } catch {
    // What the server still has ends with its key, or when the push service says that it is gone.
  }
}

/** Users of an identity provider have to be seen now and then: their subscription is renewed while the console is open. */
export async function renewPush(): Promise<void> {
  const own = await subscription();
  if (!own) return;
  const known = (await client.push.list()).find(({ endpoint }) => endpoint === own.endpoint);
  const { endpoint = '', keys: { p256dh = '', auth = '' } = {} } = own.toJSON();
  if (known && known.expires_at !== null)
    await client.push.subscribe({ endpoint, keys: { p256dh, auth }, label: known.label ?? '' });
}
