import type { ConfigSnapshot, NamedVariables, WorkerDigests } from '@millrace/config';
import type { CompiledBuilder, CompiledConfig, CompiledWorker } from '@millrace/contracts';
import type { DefinitionIds } from '@millrace/database';
import { type KnownLock, needsOf, propertiesFrom, type Properties, workerEntries } from '@millrace/domain';
import type { Callbacks } from '../claiming/chooser.js';
import type { Assignments } from '../claiming/distributor.js';
import type { BuiltProject } from '../core/built-in-properties.js';

export interface ClosableCallbacks extends Callbacks {
  close(): Promise<void>;
}

/** A configuration that was loaded and checked, and is not in force yet. */
export interface LoadedConfiguration {
  readonly configFile: string;
  readonly fingerprint: string;
  /** Fingerprint of the file, which is another one when an earlier revision is in force. */
  readonly fileFingerprint: string;
  /** Why this is not the earlier revision that should be in force; null when all is well. */
  readonly missing: string | null;
  readonly snapshot: ConfigSnapshot;
  readonly variables: NamedVariables;
  readonly workerDigests: WorkerDigests;
  readonly config: CompiledConfig;
  /** The thread of callbacks that have a say in who builds what; null when there are none. */
  readonly callbacks: ClosableCallbacks | null;
}

/** One configuration revision, with the data that an engine uses. */
export interface Revision extends LoadedConfiguration, Assignments {
  readonly callbacks: ClosableCallbacks | null;
  readonly ids: DefinitionIds;
  readonly byId: ReadonlyMap<number, CompiledBuilder>;
  readonly workers: ReadonlyMap<string, CompiledWorker>;
  /** Returns the folders, below its base directory, that a worker of that name builds in. */
  builddirs(worker: string): readonly string[];
  readonly locks: ReadonlyMap<string, KnownLock>;
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
  const byId = new Map(builders.map((builder) => [ids.builders.get(builder.name)!, builder]));
  const workerById = new Map([...workers].map(([name, worker]) => [ids.workers.get(name)!, worker]));
  const locks = new Map(
    (source.config.locks ?? []).map((definition) => [
      definition.name,
      { lockId: ids.locks.get(definition.name)!, definition },
    ]),
  );
  const lockedWorkers = new Set(entries.filter((entry) => entry.locks !== undefined).map(({ name }) => name));
  const locked = new Set(
    builders
      .filter(
        ({ locks: own, choices, workers: names }) =>
          own !== undefined || choices?.locks !== undefined || names.some((name) => lockedWorkers.has(name)),
      )
      .map(({ name }) => ids.builders.get(name)!),
  );
  return {
    ...source,
    ids,
    ...(source.config.prioritizeBuilders !== undefined && { prioritizeBuilders: source.config.prioritizeBuilders }),
    locks,
    isLocked: (builderId) => locked.has(builderId),
    locksOf: (builderId, workerId, asked) => {
      if (!locked.has(builderId)) return [];
      const worker = workerById.get(workerId)!;
      const accesses = [...(byId.get(builderId)?.locks ?? []), ...asked, ...(worker.locks ?? [])];
      return needsOf(accesses, (name) => locks.get(name)!, { workerId, name: worker.name });
    },
    workers,
    builddirs: (worker) =>
      builders
        .filter(({ workers: names }) => names.includes(entryOf.get(worker) ?? ''))
        .map(({ builddir }) => builddir),
    byId,
    builders: new Map(
      builders.map((builder) => [
        ids.builders.get(builder.name)!,
        {
          name: builder.name,
          tags: builder.tags,
          fingerprint: builder.fingerprint,
          builddir: builder.builddir,
          project: projectOf(builder, ids),
          properties: propertiesFrom(builder.properties, 'Builder'),
          ...(builder.choices && { choices: builder.choices }),
        },
      ]),
    ),
    buildersOf: (workerId) => buildersOf.get(workerId) ?? new Set(),
    workerProperties: (id) => properties.get(id) ?? {},
  };
}

function projectOf({ project }: CompiledBuilder, ids: DefinitionIds): BuiltProject | null {
  return project ? { projectId: ids.projects.get(project)!, name: project } : null;
}
