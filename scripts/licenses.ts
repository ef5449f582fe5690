/**
 * Writes docs/licenses.md, the license of each package that the lockfile names; with --check it says what differs, and
 * which packages have a license that nobody has agreed to.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import satisfies from 'spdx-satisfies';

const ROOT = dirname(fileURLToPath(new URL('.', import.meta.url)));
const FILE = join(ROOT, 'docs/licenses.md');

/** Licenses (SPDX) that let anybody use and ship the package with a program under MIT. */
const PERMISSIVE = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
];

/** Those that do so for tools that are not shipped: file-level copyleft stays with files that we do not change. */
const FOR_TOOLS = [...PERMISSIVE, 'CC-BY-3.0', 'MPL-2.0'];

/** Packages whose manifest does not name an SPDX license: what their license file says, read by a person. */
export const READ: Readonly<Record<string, string>> = {
  decko: 'MIT',
  stickyfill: 'MIT',
  'url-template': 'BSD-3-Clause',
};

/** Packages under terms of their maker, by the beginning of their name, and why they are here all the same. */
export const AGREED: Readonly<Record<string, string>> = {
  '@anthropic-ai/claude-agent-sdk':
    "Anthropic's terms; the agent itself. It is installed from the registry by its user and not shipped with this program",
};

/** An entry of package-lock.json. */
export interface LockedPackage {
  version?: string;
  license?: string;
  link?: boolean;
  dev?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

export interface LicensedPackage {
  name: string;
  version: string;
  license: string;
  /** Needed to build and test only. */
  tool: boolean;
}

/** The console ships as built files, with its packages inside: what builds and tests it is not among them. */
const CONSOLE = 'packages/console';
const CONSOLE_TOOLS = /^(vite|tailwindcss|axe-core|claude-agent-.*)$|^@(types|tailwindcss|vitejs)\//;

/** The entries of the lockfile that are built into the console. Where a name has several versions, all of them. */
function builtIn(locked: Readonly<Record<string, LockedPackage>>): ReadonlySet<string> {
  const byName = Map.groupBy(Object.keys(locked), (path) => path.split('node_modules/').at(-1) ?? '');
  const found = new Set<string>();
  const names = Object.keys(locked[CONSOLE]?.devDependencies ?? {}).filter(
    (name) => !CONSOLE_TOOLS.test(name),
  );
  for (const name of names) {
    for (const path of byName.get(name) ?? []) {
      if (found.has(path)) continue;
      found.add(path);
      // The list grows while it is read.
      names.push(...Object.keys(locked[path]?.dependencies ?? {}));
    }
  }
  return found;
}

/** The packages of a lockfile that are not ours, by name and version, each once. */
export function licensedPackages(locked: Readonly<Record<string, LockedPackage>>): LicensedPackage[] {
  const found = new Map<string, LicensedPackage>();
  const inConsole = builtIn(locked);
  for (const [path, { version = '', license, link, dev = false }] of Object.entries(locked)) {
    const name = path.split('node_modules/').at(-1) ?? '';
    if (!path.includes('node_modules/') || link) continue;
    const key = `${name}@${version}`;
    const tool = dev && !inConsole.has(path) && (found.get(key)?.tool ?? true);
    found.set(key, { name, version, license: READ[name] ?? license ?? 'none', tool });
  }
  return [...found.values()].sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
}

const reasonFor = (name: string): string | undefined =>
  Object.entries(AGREED).find(([prefix]) => name.startsWith(prefix))?.[1];

/** Every package under a license that nobody has agreed to, one sentence each. */
export function licenseProblems(packages: readonly LicensedPackage[]): string[] {
  return packages.flatMap(({ name, version, license, tool }) => {
    if (reasonFor(name) !== undefined || allowed(license, tool ? FOR_TOOLS : PERMISSIVE)) return [];
    return [
      `${name} ${version} has the license "${license}". Use another package, or give the reason for it in scripts/licenses.ts.`,
    ];
  });
}

function allowed(license: string, list: readonly string[]): boolean {
  try {
    return satisfies(license, list);
  } catch {
    // Not an SPDX expression.
    return false;
  }
}

/** The page: what ships and what only builds and tests, by license. */
export function page(packages: readonly LicensedPackage[]): string {
  const table = (tool: boolean): string => {
    const byLicense = Map.groupBy(
      packages.filter((entry) => entry.tool === tool),
      ({ name, license }) => (reasonFor(name) === undefined ? license : 'Terms of the maker'),
    );
    const rows = [...byLicense]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([license, list]) =>
          `| ${license} | ${list.map(({ name, version }) => `${name} ${version}`).join(', ')} |`,
      );
    return ['| License | Packages |', '|---|---|', ...rows].join('\n');
  };
  const agreed = Object.entries(AGREED).map(([name, reason]) => `- \`${name}\`: ${reason}.`);
  return `# Licenses

The license of every package that \`package-lock.json\` names, those for other systems included. This file is generated
(\`npm run licenses\`), and \`npm run check\` compares it and refuses licenses that nobody has agreed to
(\`scripts/licenses.ts\`). \`npm run sbom\` prints a software bill of materials (CycloneDX) of the packages that ship.

## Packages that ship

${table(false)}

Under terms of their maker:

${agreed.join('\n')}

## Packages that build and test

${table(true)}
`;
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const packages = licensedPackages(lock.packages);
  const problems = licenseProblems(packages);
  if (!process.argv.includes('--check')) writeFileSync(FILE, page(packages));
  else if (readFileSync(FILE, 'utf8') !== page(packages)) {
    problems.push('docs/licenses.md differs from package-lock.json. Run `npm run licenses`.');
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
