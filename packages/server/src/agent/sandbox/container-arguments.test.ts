import { expect, test } from 'vitest';
import { type ContainerOptions, containerArguments } from './container-arguments.ts';

const OPTIONS: ContainerOptions = {
  program: 'docker',
  image: 'registry.example/agents:1',
  name: 'claude-agent-one',
  labels: { owner: 'home' },
  mounts: [
    { kind: 'link', path: '/lib', target: 'usr/lib' },
    { kind: 'work', path: '/work/a,b "c"' },
    { kind: 'write', path: '/root', source: '/server/sandboxes/one/home' },
    { kind: 'read', path: '/opt/agent' },
    { kind: 'hide', path: '/work/a,b "c"/server' },
    { kind: 'hide', path: '/elsewhere' },
    { kind: 'blank', path: '/opt/agent/key' },
    { kind: 'folder', path: '/spare' },
  ],
  cwd: '/work/a,b "c"',
  user: { uid: 1000, gid: 100 },
  isRootless: false,
  sharesNetwork: false,
  limits: { memoryBytes: 2 ** 30, processes: 99, fileBytes: 512 },
  marks: { soft: 1n, hard: 2n ** 62n },
  openFiles: 1024,
  variables: ['HOME', 'ANTHROPIC_API_KEY'],
  command: ['/opt/agent/claude', '--print', '--env'],
};

/** The values that follow a flag. */
const after = (args: readonly string[], flag: string): string[] =>
  args.flatMap((arg, index) => (arg === flag ? [args[index + 1] ?? ''] : []));

test('a container shows what a sandbox shows, folders before what is in them, and hides only what would be seen', () => {
  expect(after(containerArguments(OPTIONS), '--mount')).toEqual([
    'type=bind,source=/server/sandboxes/one/home,target=/root',
    'type=tmpfs,target=/spare',
    'type=bind,source=/opt/agent,target=/opt/agent,readonly',
    'type=bind,"source=/work/a,b ""c""","target=/work/a,b ""c"""',

    'type=tmpfs,"target=/work/a,b ""c""/server"',
    'type=bind,source=/dev/null,target=/opt/agent/key,readonly',
  ]);
});

test('its program is the agent, without privileges, limited and marked; values of variables stay out of the command line', () => {
  const args = containerArguments(OPTIONS);
  expect(args.slice(-4)).toEqual(['/opt/agent/claude', 'registry.example/agents:1', '--print', '--env']);
  expect(after(args, '--user')).toEqual(['1000:100']);
  expect(after(args, '--cap-drop')).toEqual(['ALL']);
  expect(after(args, '--security-opt')).toEqual(['no-new-privileges']);
  expect(after(args, '--pids-limit')).toEqual(['99']);
  expect([after(args, '--memory'), after(args, '--memory-swap')]).toEqual([['1073741824'], ['1073741824']]);
  expect(after(args, '--ulimit')).toEqual(['locks=1:4611686018427387904', 'core=0:0', 'fsize=512:512']);
  expect(after(args, '--env').slice(0, 2)).toEqual(['HOME', 'ANTHROPIC_API_KEY']);
  for (const flag of ['--rm', '--init', '--interactive', '--read-only']) expect(args).toContain(flag);
  expect(after(args, '--log-driver')).toEqual(['none']);
});

test.each([
  [false, 'none'],
  [true, 'host'],
])('its network, if it shares the one of the machine: %s', (sharesNetwork, network) => {
  expect(after(containerArguments({ ...OPTIONS, sharesNetwork }), '--network')).toEqual([network]);
});

test('a rootless podman keeps the user, and gets the limits that it would raise otherwise', () => {
  const args = containerArguments({ ...OPTIONS, program: 'podman', isRootless: true });
  expect(after(args, '--userns')).toEqual(['keep-id']);
  expect(after(args, '--ulimit')).toEqual(expect.arrayContaining(['nofile=1024:1024', 'nproc=99:99']));
});
