import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { keepReportsShort } from './reports.ts';

test('a report of the process looks up no names of connected addresses', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(client, 'connect');
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  const before = report.excludeNetwork ?? false;
  const names = (): number => {
    const { libuv } = report.getReport() as { libuv: object[] };
    return JSON.stringify(libuv).match(/"host":"[a-z]/g)?.length ?? 0;
  };
  try {
    report.excludeNetwork = false;
    expect(names()).toBeGreaterThan(0);
    keepReportsShort();
    expect(names()).toBe(0);
  } finally {
    report.excludeNetwork = before;
    client.destroy();
    server.close();
  }
});
