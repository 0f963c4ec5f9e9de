import type { CompiledScheduler } from '@millrace/contracts';
import { type ObjectReader, references } from './object-reader.js';
import { schedulerKind } from './schedulers/registry.js';

/** Checks that every scheduler that others wait for exists, and that none waits for itself. */
export function checkUpstreams(schedulers: readonly CompiledScheduler[], readers: readonly ObjectReader[]): void {
  const upstreams = new Map(
    schedulers.map((scheduler) => [scheduler.name, schedulerKind(scheduler.kind).upstreams?.(scheduler) ?? []]),
  );
  const names = new Set(upstreams.keys());
  const reported = new Set<string>();
  schedulers.forEach(({ name }, index) => {
    const reader = readers[index]!;
    const its = upstreams.get(name)!;
    references(
      reader,
      'upstream',
      its.filter((upstream) => upstream !== ''),
      names,
      'scheduler',
    );
    const cycle = cycleFrom(name, upstreams);
    if (!cycle || reported.has(name)) return;
    for (const member of cycle) reported.add(member);
    const path = cycle.map((member) => `'${member}'`).join(' → ');
    reader.problem(
      'upstream',
      'a scheduler that does not wait for this one',
      `${reader.at('upstream')} is '${its[0]!}', so the scheduler waits for itself: ${path}`,
    );
  });
}

/** Returns the names from a scheduler over its upstreams back to itself; null when they do not lead there. */
function cycleFrom(start: string, upstreams: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const seen = new Set<string>();
  const paths: (readonly string[])[] = [[start]];
  for (let path = paths.pop(); path; path = paths.pop()) {
    for (const upstream of upstreams.get(path.at(-1)!) ?? []) {
      if (upstream === start) return [...path, start];
      if (seen.has(upstream)) continue;
      seen.add(upstream);
      paths.push([...path, upstream]);
    }
  }
  return null;
}
