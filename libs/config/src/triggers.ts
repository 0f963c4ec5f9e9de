import type { CompiledBuilder, CompiledScheduler } from '@millrace/contracts';
import { placesOfSteps } from './compile-step.js';
import type { ObjectReader } from './object-reader.js';
import { nearest } from './problems.js';

/** A step that starts builders. */
interface Edge {
  readonly path: string;
  readonly to: readonly string[];
}

/** Reports the steps that start a scheduler which does not exist, and builders that would start one another for ever. */
export function checkTriggers(
  builders: readonly CompiledBuilder[],
  readers: readonly ObjectReader[],
  schedulers: readonly CompiledScheduler[],
): void {
  const known = new Map(schedulers.map((scheduler) => [scheduler.name, scheduler.builders]));
  const edges = new Map<string, Edge[]>();
  builders.forEach(({ name }, i) => {
    const reader = readers[i]!;
    const its = placesOfSteps(reader).flatMap(({ step, path, where }) =>
      (step.triggers ?? []).flatMap((scheduler): Edge[] => {
        const to = known.get(scheduler);
        if (to) return [{ path, to }];
        const near = nearest(scheduler, known.keys());
        const hint = near ? `; did you mean '${near}'?` : '';
        const message = `${path}.schedulers has '${scheduler}', but no scheduler has that name${hint}`;
        reader.into.add(`${path}.schedulers`, scheduler, 'the name of a scheduler', where, message);
        return [];
      }),
    );
    edges.set(name, its);
  });
  const reported = new Set<string>();
  builders.forEach(({ name }, i) => {
    for (const edge of edges.get(name) ?? []) {
      const cycle = wayBack(edges, name, edge);
      if (cycle === null) continue;
      const key = [...cycle].sort().join('\n');
      if (reported.has(key)) continue;
      reported.add(key);
      const way = [...cycle, name].map((builder) => `'${builder}'`).join(' → ');
      const reader = readers[i]!;
      const message = `${edge.path}.schedulers makes builders start one another for ever: ${way}`;
      reader.into.add(
        `${edge.path}.schedulers`,
        undefined,
        'schedulers that do not lead back here',
        reader.where,
        message,
      );
    }
  });
}

/** Returns the shortest way from a builder through one of its steps back to itself; null when there is none. */
function wayBack(edges: ReadonlyMap<string, readonly Edge[]>, from: string, first: Edge): string[] | null {
  const cameFrom = new Map<string, string>();
  const next = first.to.map((to) => [from, to] as const);
  for (const [before, builder] of next) {
    if (builder === from) {
      const way = [before];
      while (way[0] !== from) way.unshift(cameFrom.get(way[0]!)!);
      return way;
    }
    if (cameFrom.has(builder)) continue;
    cameFrom.set(builder, before);
    for (const edge of edges.get(builder) ?? []) for (const to of edge.to) next.push([builder, to]);
  }
  return null;
}
