import type { WorkerInfo } from './worker-info.js';

/** What paths on a worker depend on. */
export type PathFlavour = Pick<WorkerInfo, 'system' | 'basedir' | 'environ'>;

/** Joins as Python does on the worker: an absolute later part wins, empty parts vanish. Nothing is normalised. */
export function joinWorkerPath(system: WorkerInfo['system'], ...parts: readonly string[]): string {
  const join = system === 'nt' ? joinNt : joinPosix;
  return parts.filter((part) => part !== '').reduce((path, part) => (path === '' ? part : join(path, part)), '');
}

function joinPosix(path: string, part: string): string {
  if (part.startsWith('/')) return part;
  return path.endsWith('/') ? path + part : `${path}/${part}`;
}

function joinNt(path: string, part: string): string {
  const [drive, rest] = splitDrive(part);
  const [pathDrive, pathRest] = splitDrive(path);
  if (/^[\\/]/.test(rest)) return (drive === '' ? pathDrive : drive) + rest;
  if (drive !== '' && drive.toLowerCase() !== pathDrive.toLowerCase()) return part;
  const separator = /[\\/:]$/.test(path) ? '' : '\\';
  return `${drive === '' ? pathDrive : drive}${pathRest}${separator}${rest}`;
}

/** `C:` or `\\host\share`, and what follows. */
function splitDrive(path: string): [drive: string, rest: string] {
  const drive = /^(?:[a-z]:|[\\/]{2}[^\\/]+[\\/][^\\/]+)/i.exec(path)?.[0] ?? '';
  return [drive, path.slice(drive.length)];
}

/** A leading `~` stands for the home directory of the worker's user; where that is not known, it stays. */
export function expandWorkerHome({ system, environ }: PathFlavour, path: string): string {
  if (!/^~($|[\\/])/.test(path) || (system === 'posix' && path.startsWith('~\\'))) return path;
  const home = system === 'nt' ? (environ['USERPROFILE'] ?? environ['HOME']) : environ['HOME'];
  return home === undefined ? path : home + path.slice(1);
}

/** The absolute path of something below a builder's directory. */
export function builderPath(worker: PathFlavour, builddir: string, ...parts: readonly string[]): string {
  return joinWorkerPath(
    worker.system,
    worker.basedir,
    builddir,
    ...parts.map((part) => expandWorkerHome(worker, part)),
  );
}
