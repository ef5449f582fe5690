import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createAuthority } from '../src/agent/secrets/authority.ts';
import { script } from './support/api.ts';
import { type HttpsSite, startHttpsSite } from './support/https-site.ts';
import { WAIT } from './support/processes.ts';
import { HAS_BUBBLEWRAP } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const VALUE = 'ghp_the-real-value/+=$&';
const NAMED = 'named-value-of-the-configuration';
const PLACEHOLDER = /SECRET_PLACEHOLDER_[0-9a-f]{32}/;

describe.skipIf(!HAS_BUBBLEWRAP)('an agent with secrets', () => {
  let server: TestServer;
  /** May have the secrets; is only reached; shows a certificate that nobody signed. */
  let site: HttpsSite;
  let other: HttpsSite;
  let imposter: HttpsSite;
  /** Of the certificates of the first two. */
  let issuer: string;

  beforeAll(async () => {
    const [authority, nobody] = [await createAuthority(), await createAuthority()];
    const answer: Parameters<typeof startHttpsSite>[1] = (request, response) => {
      const { authorization = '', 'x-echo': echo } = request.headers;
      if (typeof echo === 'string') response.setHeader('x-echoed', echo);
      // Git sends what a URL holds only when it is asked to.
      if (request.url?.startsWith('/repo.git') && authorization === '') {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
        return;
      }
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('end', () => {
        response.write(`authorized=${authorization.includes(VALUE)} bytes=${bytes}\n`);
        response.end('whole');
      });
    };
    issuer = new X509Certificate(authority.certificate).subject;
    site = await startHttpsSite(authority, answer);
    other = await startHttpsSite(authority, answer);
    imposter = await startHttpsSite(nobody, answer);
    server = await startTestServer({
      config: {
        sandbox: {
          network: 'limited',
          allowed_hosts: [site.address, other.address, imposter.address, 'git.example:443'],
        },
        secrets: { named: { value: NAMED, hosts: [site.address] } },
        policy: { secrets: ['named'] },
      },
      env: { NODE_EXTRA_CA_CERTS: trustFile(authority.certificate) },
    });
  });
  afterAll(async () => {
    await cleanUp(server);
    for (const each of [site, other, imposter]) each.close();
    rmSync(file, { force: true });
  });

  const create = async (
    secrets: Record<string, unknown>,
    more: Record<string, unknown> = {},
  ): Promise<string> =>
    (await server.createSession({ model: 'demo', allowed_tools: ['Bash'], secrets, ...more })).session_id;
  const bash = async (id: string, command: string): Promise<string> => {
    const { messages } = await server.send(
      id,
      // The sites are on an address that programs do not use a proxy for.
      script(
        {
          tools: [
            {
              name: 'Bash',
              input: { command: `export NO_PROXY= no_proxy=; ${command}`, description: 'tries' },
            },
          ],
        },
        { say: '{{result}}' },
      ),
    );
    return messages.flatMap((each) => (each.type === 'text' ? [each.content] : [])).join('\n');
  };
  const own = (hosts = [site.address, imposter.address]) => ({ TOKEN: { value: VALUE, hosts } });
  const asked = (at: HttpsSite) => at.requests.at(-1);

  test('sees a placeholder, and the hosts of the secret get the value: with curl, Node and git', async () => {
    const id = await create(own());
    const url = `https://${site.address}`;
    const curl = await bash(
      id,
      `curl -sS -m 9 -H "authorization: Bearer $TOKEN" ${url}/curl; echo; echo "$TOKEN"`,
    );
    expect(curl).toContain('authorized=true bytes=0\nwhole');
    expect(curl).toMatch(PLACEHOLDER);
    expect(curl).not.toContain(VALUE);
    expect(asked(site)).toMatchObject({ url: '/curl', headers: { authorization: `Bearer ${VALUE}` } });

    const basic = await bash(id, `curl -sS -m 9 -u "me:$TOKEN" "${url}/basic?key=$TOKEN&path=/$TOKEN"`);
    expect(basic).toContain('whole');
    const { url: path = '', headers } = asked(site) ?? {};
    expect(Buffer.from(headers?.authorization?.slice(6) ?? '', 'base64').toString()).toBe(`me:${VALUE}`);
    expect(new URL(path, url).searchParams.get('key')).toBe(VALUE);

    const node = `fetch('${url}/node', { method: 'POST', body: new Blob(['x'.repeat(300000)]).stream(), duplex: 'half', headers: { 'x-api-key': process.env.TOKEN, 'x-echo': process.env.TOKEN } }).then(async (r) => console.log(await r.text(), r.headers.get('x-echoed')))`;
    const said = await bash(id, `${process.execPath} -e "${node}"`);
    expect(said).toContain('bytes=300000');
    // A value that a header of the answer repeats is taken out again.
    expect(said).toMatch(PLACEHOLDER);
    expect(asked(site)).toMatchObject({ method: 'POST', headers: { 'x-api-key': VALUE } });

    await bash(id, `git clone https://x:$TOKEN@${site.address}/repo.git 2>&1; true`);
    expect(asked(site)?.url).toMatch('/repo.git/info/refs');
    const credentials = site.requests.flatMap(({ headers: { authorization = '' } }) =>
      authorization.startsWith('Basic ') ? [Buffer.from(authorization.slice(6), 'base64').toString()] : [],
    );
    expect(credentials).toContain(`x:${VALUE}`);
  });

  test('has MCP servers that get placeholders, by the name of the secret', async () => {
    const write = `require('node:fs').writeFileSync('mcp.txt', process.env.KEY + ' ' + process.env.OTHER)`;
    const the = (name: string): string => `\${${name}}`;
    const env = { KEY: `Bearer ${the('TOKEN')}`, OTHER: `${the('HOME')} ${the('NONE')}` };
    const id = await create(own(), {
      mcp_servers: { box: { command: process.execPath, args: ['-e', write], env } },
    });
    await vi.waitFor(async () => {
      expect(readFileSync(join(server.root, 'mcp.txt'), 'utf8')).toMatch(
        new RegExp(`^Bearer ${PLACEHOLDER.source} \\S+ `),
      );
    }, WAIT);
    await server.call('DELETE', `/sessions/${id}`);
  });

  test('has WebSockets, connections that are used again, and long answers', async () => {
    const id = await create(own());
    const ws = [
      `printf 'GET /ws HTTP/1.1\\r\\nHost: ${site.address}\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nx-api-key: %s\\r\\n\\r\\n' "$TOKEN"`,
      'sleep 1; echo ping; sleep 1',
    ].join('; ');
    const said = await bash(
      id,
      `(${ws}) | timeout 8 openssl s_client -quiet -proxy 127.0.0.1:3128 -connect ${site.address} -CAfile $SSL_CERT_FILE 2>/dev/null`,
    );
    expect(said).toMatch(/101 Switching Protocols[\s\S]*ping/);
    expect(asked(site)).toMatchObject({ url: '/ws', headers: { 'x-api-key': VALUE } });
    const before = site.connections();
    const twice = await bash(
      id,
      `curl -sS -m 9 -H "x: $TOKEN" https://${site.address}/1 https://${site.address}/2`,
    );
    expect(twice.match(/whole/g)).toHaveLength(2);
    expect(site.connections()).toBe(before + 1);
  });

  test('cannot have the value sent elsewhere', async () => {
    const id = await create(own());
    const header = '-H "authorization: Bearer $TOKEN"';
    const before = imposter.requests.length;
    const said = await bash(
      id,
      [
        // Another host: an ordinary tunnel, whose certificate is that of the host itself.
        `curl -sS -m 9 -k -v ${header} https://${other.address}/other 2>&1 | grep -i 'issuer\\|authorized'`,
        // Another server in the place of the host.
        `curl -sS -m 9 ${header} https://${imposter.address}/imposter`,
        // Another name in the request, as for a CDN that has both.
        `curl -sS -m 9 ${header} -H 'host: evil.example' https://${site.address}/fronted`,
        `curl -sS -m 9 ${header} --request-target https://evil.example/ https://${site.address}/`,
        // Without TLS.
        `curl -sS -m 9 ${header} http://${site.address}/plain`,
        'true',
      ].join('; '),
    );
    expect(asked(other)?.headers.authorization).toMatch(PLACEHOLDER);
    expect(said).toContain(`issuer: ${issuer}`);
    expect(said).not.toContain('authorized=true');
    expect(said).toMatch(/cannot be reached: .*certificate/);
    expect(imposter.requests.length).toBe(before);
    expect(said.match(/was for another host/g)).toHaveLength(2);
    expect(site.requests.some(({ url }) => url === '/fronted' || url === '/plain')).toBe(false);
    expect(server.stderr()).toContain('was for another host (evil.example)');
  });

  test("cannot use another session's placeholder, and finds the value nowhere", async () => {
    const [id, second] = [await create(own()), await create({ MINE: { from: 'named' } })];
    const placeholder = PLACEHOLDER.exec(await bash(id, 'echo $TOKEN'))?.[0] ?? '';
    await bash(
      second,
      `curl -sS -m 9 -H "x-mine: $MINE" -H "x-other: ${placeholder}" https://${site.address}/second`,
    );
    expect(asked(site)?.headers).toMatchObject({ 'x-mine': NAMED, 'x-other': placeholder });

    // Written so that the command itself does not hold it, nor a program that looks at the others while it is looked at.
    const half = [VALUE.slice(0, 9), VALUE.slice(9)].map((part) => Buffer.from(part).toString('base64'));
    const find = `v="$(echo ${half[0]} | base64 -d)$(echo ${half[1]} | base64 -d)"`;
    const found = await bash(
      id,
      `${find}; all="$( { cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; env; } 2>/dev/null | tr '\\0' '\\n')"; case "$all" in *"$v"*) echo 1;; *) echo 0;; esac; grep -rlsaF -e "$v" ~ /tmp "$PWD" /etc | head -3; echo done`,
    );
    // The shell's own variable is not exported.
    expect(found.trim()).toMatch(/^0\s+done$/);
  });

  test('is not named by its values in what the server shows, stores, logs and exports', async () => {
    const id = await create({ ...own(), MINE: { from: 'named' } });
    await bash(id, `curl -sS -m 9 -H "x: $TOKEN" https://${site.address}/shown`);
    const shown = await server.call<{ secrets: unknown }>('GET', `/sessions/${id}`);
    expect(shown.body.secrets).toEqual({
      TOKEN: { from: null, hosts: [site.address, imposter.address] },
      MINE: { from: 'named', hosts: [site.address] },
    });
    const texts = await Promise.all(
      ['', '/turns', '/history', '/export', '/events/history'].map(async (path) =>
        JSON.stringify((await server.call('GET', `/sessions/${id}${path}`)).body),
      ),
    );
    const dump = server.database === undefined ? dumpOf(join(server.home, 'server.db')) : '';
    for (const text of [...texts, server.stderr(), dump]) {
      expect(text).not.toContain(VALUE);
      expect(text).not.toContain(NAMED);
    }
  });

  test('keeps its secrets and placeholders over a restart, and can be given others', async () => {
    const id = await create(own());
    const before = PLACEHOLDER.exec(await bash(id, 'echo $TOKEN'))?.[0];
    await server.stop();
    server = await startTestServer({
      on: server,
      config: JSON.parse(readFileSync(join(server.home, 'config.json'), 'utf8')),
      env: { NODE_EXTRA_CA_CERTS: file },
    });
    const said = await bash(
      id,
      `curl -sS -m 9 -H "authorization: Bearer $TOKEN" https://${site.address}/after; echo $TOKEN`,
    );
    expect(said).toContain('authorized=true');
    expect(said).toContain(before ?? 'none');

    const again = { resume_session_id: id, secrets: own() };
    expect(await server.call('POST', '/sessions', again)).toMatchObject({
      status: 200,
      body: { was_live: true },
    });
    const next = {
      resume_session_id: id,
      secrets: { TOKEN: { value: 'another-value', hosts: [site.address] } },
    };
    expect(await server.call('POST', '/sessions', next)).toMatchObject({
      status: 409,
      body: { code: 'options_need_restart' },
    });
    await server.call('DELETE', `/sessions/${id}`);
    expect((await server.call('POST', '/sessions', next)).status).toBe(200);
    await bash(id, `curl -sS -m 9 -H "x-api-key: ${before}" https://${site.address}/rotated`);
    expect(asked(site)?.headers['x-api-key']).toBe('another-value');

    const fork = await server.call<{ session_id: string }>('POST', `/sessions/${id}/fork`, {});
    const theirs = await bash(
      fork.body.session_id,
      `curl -sS -m 9 -H "x-api-key: $TOKEN" https://${site.address}/; echo $TOKEN`,
    );
    expect(PLACEHOLDER.exec(theirs)?.[0]).not.toBe(before);
    expect(asked(site)?.headers['x-api-key']).toBe('another-value');
  });

  test.each<[string, Record<string, unknown>, number, string, string]>([
    [
      'a host that the agent does not reach',
      { A: { value: VALUE, hosts: ['elsewhere.example'] } },
      422,
      'validation_failed',
      'does not reach elsewhere.example',
    ],
    ['no hosts', { A: { value: VALUE } }, 422, 'validation_failed', 'is needed with'],
    [
      'a value of two lines',
      { A: { value: `${VALUE}\n${VALUE}`, hosts: ['git.example'] } },
      422,
      'validation_failed',
      'control characters',
    ],
    [
      'a short value',
      { A: { value: 'short', hosts: ['git.example'] } },
      422,
      'validation_failed',
      'at least 8',
    ],
    [
      'a variable that programs need',
      { NODE_OPTIONS: { value: VALUE, hosts: ['git.example'] } },
      422,
      'validation_failed',
      'need for themselves',
    ],
    [
      'a name that the configuration does not have',
      { A: { from: 'named2' } },
      403,
      'policy_forbids',
      'does not allow the secret',
    ],
    [
      'more hosts than the configuration says',
      { A: { from: 'named', hosts: ['git.example'] } },
      422,
      'validation_failed',
      'not among the hosts of the secret',
    ],
  ])('%s is refused, without the value in the answer', async (_, secrets, status, code, words) => {
    const { status: given, body } = await server.call('POST', '/sessions', { secrets });
    expect({ given, code: body.code }).toEqual({ given: status, code });
    expect(JSON.stringify(body)).toContain(words);
    expect(JSON.stringify(body)).not.toContain(VALUE);
  });

  let file = '';
  function trustFile(certificate: string): string {
    file = join(tmpdir(), `secrets-test-ca-${process.pid}.pem`);
    writeFileSync(file, certificate);
    return file;
  }
});

/** Everything in a database, as text. */
function dumpOf(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true });
  const tables = db
    .prepare("select name from sqlite_master where type = 'table' and name not like 'turn_text%'")
    .all();
  const rows = tables.flatMap(({ name }) => db.prepare(`select * from "${String(name)}"`).all());
  db.close();
  return JSON.stringify(rows);
}
