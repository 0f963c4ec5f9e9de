import { posix, win32 } from 'node:path';

/** The properties of a worker that decide how its paths are written. */
export interface WorkerFolders {
  readonly basedir: string;
  /** `nt` for Windows; everything else is POSIX. */
  readonly system: string;
  readonly environ: Readonly<Record<string, string>>;
}

/**
 * Returns an absolute path in the worker's own syntax, starting from its base directory and the builder's folder. As with Python's join, an
 * absolute part drops everything before it; a leading `~` of a part is the worker's home.
 */
export function workerPath(worker: WorkerFolders, builddir: string, parts: readonly string[]): string {
  const flavour = worker.system === 'nt' ? win32 : posix;
  const home = worker.environ[worker.system === 'nt' ? 'USERPROFILE' : 'HOME'];
  let path = worker.basedir;
  for (const part of [builddir, ...parts]) {
    const expanded = home !== undefined && /^~(?=$|[\\/])/.test(part) ? home + part.slice(1) : part;
    path = flavour.isAbsolute(expanded) ? flavour.normalize(expanded) : flavour.join(path, expanded);
  }
  return path;
}
