import { expect, test } from 'vitest';
import { endpoints } from '../endpoints.ts';
import { problems } from '../problems.ts';
import { routes } from './index.ts';
import { problemsOf, type RouteSpec } from './route.ts';

const all = Object.entries(routes) as [keyof typeof endpoints, RouteSpec][];

test('every route stands at the endpoint of its name', () => {
  for (const [name, { method, path }] of all) expect({ method, path }).toEqual(endpoints[name]);
  expect(all.map(([name]) => name).toSorted()).toEqual(Object.keys(endpoints).toSorted());
});

test('every problem of the catalogue is declared by a route, but for those that only end a turn', () => {
  const declared = new Set(all.flatMap(([, route]) => [...problemsOf(route)]));
  const others = Object.keys(problems).filter((code) => !declared.has(code as keyof typeof problems));
  expect(others).toEqual(['error_max_budget_usd']);
});
