import { afterEach, describe, expect, it } from 'vitest';
import { readStream } from '../../gateway/src/testing/read-stream.ts';
import { type DemoServer, startDemoServer } from './server.ts';

let server: DemoServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const send = (url: string, prompt: string, stream = true) =>
  fetch(`${url}/v1/messages?beta=true`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'demo',
      max_tokens: 9,
      stream,
      messages: [{ role: 'user', content: prompt }],
    }),
  });

describe('the demo server', () => {
  it('serves streams, JSON and probes on loopback', async () => {
    server = await startDemoServer();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(readStream(await (await send(server.url, 'say grüße 🙂')).text()).content).toEqual([
      { type: 'text', text: 'grüße 🙂' },
    ]);
    expect((await (await send(server.url, 'say hi', false)).json()).content[0].text).toBe('hi');
    expect((await fetch(server.url, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
  });

  it('sends each word when it is due, not at the end', async () => {
    server = await startDemoServer();
    const response = await send(server.url, 'script: [{"say":"early {{hold:g}}late"}]');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('early')) text += (await reader?.read())?.value;
    expect(text).not.toContain('late');
    server.model.gates.release('g');
    for (let part = await reader?.read(); !part?.done; part = await reader?.read()) text += part?.value;
    expect(readStream(text).content).toEqual([{ type: 'text', text: 'early late' }]);
  });

  it('delivers what comes before a cut, then breaks the connection', async () => {
    server = await startDemoServer();
    const response = await send(server.url, 'script: [{"say":"a b c","cut":4}]');
    let text = '';
    const reading = (async () => {
      for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += part;
    })();
    await expect(reading).rejects.toThrow();
    expect(text.match(/^event: /gm)).toHaveLength(4);
  });

  it('frees the gate when a client hangs up', async () => {
    server = await startDemoServer();
    const prompt = 'script: [{"hold":"g","say":"x"}]';
    const first = await send(server.url, prompt);
    await server.model.gates.reached('g');
    await first.body?.cancel();
    const second = send(server.url, prompt);
    await server.model.gates.reached('g', 2);
    server.model.gates.release('g', 2);
    expect(readStream(await (await second).text()).problems).toEqual([]);
  });

  it('ends held connections on close', async () => {
    const closing = await startDemoServer();
    const response = await send(closing.url, 'script: [{"hold":"g"}]');
    await closing.model.gates.reached('g');
    await closing.close();
    await expect(response.text()).rejects.toThrow();
    await expect(fetch(closing.url)).rejects.toThrow();
  });

  it('says when the port is taken', async () => {
    server = await startDemoServer();
    const port = Number(new URL(server.url).port);
    await expect(startDemoServer({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
