import type { ConfigSnapshot, NamedVariables, WorkerDigests } from '@millrace/config';
import type { CompiledBuilder, CompiledConfig, CompiledWorker } from '@millrace/contracts';
import type { DefinitionIds } from '@millrace/database';
import { propertiesFrom, type Properties, workerEntries } from '@millrace/domain';
import type { Assignments } from '../claiming/distributor.js';

/** A configuration that was loaded and checked, and is not in force yet. */
export interface LoadedConfiguration {
  readonly configFile: string;
  readonly fingerprint: string;
  readonly snapshot: ConfigSnapshot;
  readonly variables: NamedVariables;
  readonly workerDigests: WorkerDigests;
  readonly config: CompiledConfig;
}

/** One configuration revision, with the data that an engine uses. */
export interface Revision extends LoadedConfiguration, Assignments {
  readonly ids: DefinitionIds;
  readonly byId: ReadonlyMap<number, CompiledBuilder>;
  readonly workers: ReadonlyMap<string, CompiledWorker>;
  /** Returns the folders, below its base directory, that a worker of that name builds in. */
  builddirs(worker: string): readonly string[];
}

export function assemble(source: LoadedConfiguration, ids: DefinitionIds): Revision {
  const { builders, workers: entries } = source.config;
  const entryNames = entries.map((entry) => entry.name);
  const entryFor = workerEntries(entryNames);
  const byEntry = new Map(entries.map((entry) => [entry.name, entry]));
  const entryOf = new Map([...ids.workers.keys()].map((name) => [name, entryFor(name)!]));
  const workers = new Map([...entryOf].map(([name, entry]) => [name, { ...byEntry.get(entry)!, name }]));
  const buildersOfEntry = new Map<string, Set<number>>(entryNames.map((entry) => [entry, new Set()]));
  for (const builder of builders)
    for (const entry of builder.workers) buildersOfEntry.get(entry)?.add(ids.builders.get(builder.name)!);
  const buildersOf = new Map(
    [...entryOf].map(([name, entry]) => [ids.workers.get(name)!, buildersOfEntry.get(entry)!]),
  );
  const properties = new Map<number, Properties>(
    [...workers].map(([name, worker]) => [ids.workers.get(name)!, propertiesFrom(worker.properties, 'Worker')]),
  );
  return {
    ...source,
    ids,
    workers,
    builddirs: (worker) =>
      builders
        .filter(({ workers: names }) => names.includes(entryOf.get(worker) ?? ''))
        .map(({ builddir }) => builddir),
    byId: new Map(builders.map((builder) => [ids.builders.get(builder.name)!, builder])),
    builders: new Map(
      builders.map((builder) => [
        ids.builders.get(builder.name)!,
        {
          name: builder.name,
          fingerprint: builder.fingerprint,
          properties: propertiesFrom(builder.properties, 'Builder'),
        },
      ]),
    ),
    buildersOf: (workerId) => buildersOf.get(workerId) ?? new Set(),
    workerProperties: (id) => properties.get(id) ?? {},
  };
}
