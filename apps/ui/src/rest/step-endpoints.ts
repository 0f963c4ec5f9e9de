import { CATALOG_LIMIT, evaluate, LOG_SHAPE, STEP_SHAPE } from '@millrace/database';
import type { Reads } from '../reads.js';
import { buildPrefixes, ifFound } from './build-prefixes.js';
import type { Endpoint, Prefix } from './endpoints.js';
import type { PathArgument, PathTable } from '../resources/path-table.js';

type Args = readonly PathArgument[];

/** Steps and logs, under every path that names their build. */
export function addSteps(table: PathTable<Endpoint>, reads: Reads): void {
  const { steps } = reads;
  for (const build of buildPrefixes(reads)) {
    table.add(`${build.pattern}/steps`, {
      kind: 'collection',
      shape: STEP_SHAPE,
      list: (args, query) =>
        ifFound(build.id(args), async (id) => evaluate(await steps.ofBuild(id), query, CATALOG_LIMIT)),
    });
  }
  // Millrace's own: what a build page needs of all its steps' logs in one request.
  table.add('builds/:n/logs', {
    kind: 'collection',
    shape: LOG_SHAPE,
    list: async ([id], query) => evaluate(await steps.logsOfBuild(id as number), query, CATALOG_LIMIT),
  });
  const stepPrefixes: Prefix[] = [
    { pattern: 'steps/:n', id: async ([id]) => id as number },
    ...buildPrefixes(reads).flatMap((build) =>
      [':n', ':s'].map((kind) => ({
        pattern: `${build.pattern}/steps/${kind}`,
        id: (args: Args) =>
          ifFound(build.id(args), async (buildId) => {
            const wanted = args.at(-1);
            const found = (await steps.ofBuild(buildId)).find(
              (step) => wanted === (kind === ':n' ? step.number : step.name),
            );
            return found?.stepid ?? null;
          }),
      })),
    ),
  ];
  for (const step of stepPrefixes) {
    table.add(step.pattern, {
      kind: 'single',
      shape: STEP_SHAPE,
      get: (args) => ifFound(step.id(args), async (id) => (await steps.byIds([id]))[0] ?? null),
    });
    table.add(`${step.pattern}/logs`, {
      kind: 'collection',
      shape: LOG_SHAPE,
      list: (args, query) =>
        ifFound(step.id(args), async (id) => evaluate(await steps.logsOfStep(id), query, CATALOG_LIMIT)),
    });
  }
  const logPrefixes: Prefix[] = [
    { pattern: 'logs/:n', id: async ([id]) => id as number },
    ...stepPrefixes.map((step) => ({
      pattern: `${step.pattern}/logs/:s`,
      id: (args: Args) =>
        ifFound(step.id(args.slice(0, -1)), async (stepId) => {
          const found = (await steps.logsOfStep(stepId)).find((log) => log.slug === args.at(-1));
          return found?.logid ?? null;
        }),
    })),
  ];
  for (const log of logPrefixes) {
    table.add(log.pattern, {
      kind: 'single',
      shape: LOG_SHAPE,
      get: (args) => ifFound(log.id(args), async (id) => (await steps.logsByIds([id]))[0] ?? null),
    });
    table.add(`${log.pattern}/contents`, { kind: 'lines', logId: log.id });
    table.add(`${log.pattern}/raw`, { kind: 'raw', logId: log.id, inline: false });
    table.add(`${log.pattern}/raw_inline`, { kind: 'raw', logId: log.id, inline: true });
  }
}
