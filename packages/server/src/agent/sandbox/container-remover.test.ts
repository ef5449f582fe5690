import { expect, test } from 'vitest';
import { createContainerRemover } from './container-remover.ts';

/** An engine that answers each attempt at a container with the next of its failures, then removes it. */
function makeEngine(failures: Record<string, string[]>, version = '4.3.1') {
  const calls: string[] = [];
  const warnings: string[] = [];
  const running = new Set<string>();
  const remover = createContainerRemover({
    program: 'podman',
    version,
    pauseMs: 1,
    warn: (message) => warnings.push(message),
    async call(...args) {
      const name = args.at(-1)?.replaceAll(/^name=\^|\$$/g, '') ?? '';
      if (args[0] === 'ps') return running.has(name) ? 'abc' : '';
      calls.push(args.join(' '));
      const why = failures[name]?.shift();
      if (why !== undefined) throw Object.assign(new Error('Command failed'), { stderr: why });
      return name;
    },
  });
  return { remover, calls, warnings, running };
}

const repeated = (why: string): string[] => Array.from({ length: 10_000 }, () => why);

test('each container is removed by itself, and again until it is gone', async () => {
  const { remover, calls, warnings } = makeEngine({
    two: ['timed out waiting for file', 'container state improper'],
    three: ['Error: no container with name or ID "three" found: no such container'],
  });
  await remover.remove(['one', 'two', 'three'], 5_000);
  const rm = 'rm --force --time 0';
  expect(calls).toEqual([`${rm} one`, `${rm} two`, `${rm} three`, `${rm} two`, `${rm} two`]);
  expect(warnings).toEqual([]);
  await remover.awaitGone('', 0);
});

test('an engine that knows no time limit gets none', async () => {
  const { remover, calls } = makeEngine({}, '3.4.4');
  await remover.remove(['one'], 5_000);
  expect(calls).toEqual(['rm --force one']);
});

test('what stays is waited for so long, named in the log, and removed later', async () => {
  const failures = { stuck: repeated('device busy') };
  const { remover, warnings, running } = makeEngine(failures);
  await remover.remove(['one', 'stuck'], 10);
  expect(warnings).toEqual([expect.stringContaining('podman rm --force stuck')]);
  expect(warnings[0]).not.toContain('one');

  running.add('stuck');
  await expect(remover.awaitGone('st', 1)).rejects.toThrow(
    'runs in the container stuck, which podman does not end',
  );
  await remover.awaitGone('other', 1);
  running.clear();
  await remover.awaitGone('st', 1);

  running.add('stuck');
  failures.stuck.length = 0;
  await remover.awaitGone('st', 5_000);
});

test('a closed one makes no further attempt', async () => {
  const { remover, calls } = makeEngine({ stuck: repeated('device busy') });
  await remover.remove(['stuck'], 5);
  remover.close();
  const { length } = calls;
  await remover.remove(['one'], 5_000);
  expect(calls.length).toBe(length);
});
