import { posix } from 'node:path';
import type { CompiledBuilder } from '@millrace/contracts';
import type { ObjectReader } from './object-reader.js';

interface Placed {
  readonly builder: CompiledBuilder;
  readonly reader: ObjectReader;
}

/**
 * Refuses builders that would use the same folder of a worker at the same time. Folders that are the same only on some systems, where names
 * differ in case or kind of slash, are noted: the workers' systems are unknown here.
 */
export function checkFolders(builders: readonly CompiledBuilder[], readers: readonly ObjectReader[]): void {
  const placed = builders.map((builder, index) => ({ builder, reader: readers[index]! }));
  const conflicts = new Set<Placed>();
  for (const { one, earlier, worker } of sharing(placed, folderOf)) {
    conflicts.add(one);
    const folder = one.builder.builddir;
    const message = `${one.reader.path}: builder '${one.builder.name}' has the folder '${folder}' on worker '${worker}' in common with builder '${earlier.builder.name}' (${earlier.reader.path}); give one of them a 'builddir' of its own`;
    one.reader.problem('builddir', `another folder than that of ${earlier.reader.path}`, message);
  }
  for (const { one, earlier, worker } of sharing(placed, foldedFolderOf)) {
    if (conflicts.has(one)) continue;
    const shared = `is '${one.builder.builddir}': where the file system takes that for '${earlier.builder.builddir}', as on Windows and macOS, builders '${one.builder.name}' and '${earlier.builder.name}' share a folder on worker '${worker}'`;
    one.reader.into.note(one.reader.at('builddir'), shared, one.reader.where);
  }
}

/** Returns each builder that shares a folder on a worker with an earlier one. */
function sharing(
  placed: readonly Placed[],
  keyOf: (builder: CompiledBuilder) => string,
): { readonly one: Placed; readonly earlier: Placed; readonly worker: string }[] {
  const first = new Map<string, Map<string, Placed>>();
  return placed.flatMap((one) => {
    if (one.builder.name === '' || one.builder.builddir === '') return [];
    const key = keyOf(one.builder);
    const onWorkers = first.get(key) ?? new Map<string, Placed>();
    first.set(key, onWorkers);
    const worker = one.builder.workers.find((name) => onWorkers.has(name) && onWorkers.get(name) !== one);
    const earlier = worker === undefined ? undefined : onWorkers.get(worker);
    for (const name of one.builder.workers) if (!onWorkers.has(name)) onWorkers.set(name, one);
    return worker === undefined || earlier === undefined ? [] : [{ one, earlier, worker }];
  });
}

function folderOf({ builddir }: CompiledBuilder): string {
  return posix.normalize(builddir).replace(/(?<=.)\/$/, '');
}

function foldedFolderOf(builder: CompiledBuilder): string {
  return folderOf({ ...builder, builddir: builder.builddir.replaceAll('\\', '/').normalize('NFC').toLowerCase() });
}
