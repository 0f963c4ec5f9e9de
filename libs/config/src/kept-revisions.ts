import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { OperationalError } from '@millrace/domain';
import { type ConfigSnapshot, type LoadedFile, portableName } from './load.js';

/** Most revisions that are kept. */
const KEPT = 20;

const FINGERPRINT = /^[0-9a-f]{64}$/;
/** A copy that is being written, with the id of the process that does. */
const UNFINISHED = /^[0-9a-f]{64}\.(\d{1,10})$/;

/**
 * Copies of the configurations that a machine's masters have loaded, one file each, by fingerprint. The newest ones are kept. Several
 * processes may share the folder.
 */
export class KeptRevisions {
  private readonly file: string;

  constructor(
    private readonly folder: string,
    configFile: string,
  ) {
    this.file = resolve(configFile);
  }

  /** Keeps what a configuration was made of, in place of a damaged copy, too. The one that was kept last is the last to be deleted. */
  async keep(fingerprint: string, snapshot: ConfigSnapshot): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const path = join(this.folder, fingerprint);
    const text = JSON.stringify(
      Object.fromEntries(Object.entries(snapshot).map(([name, loaded]) => [portableName(this.file, name), loaded])),
    );
    // Others read it at any time, so that it appears as a whole.
    const unfinished = `${path}.${process.pid}`;
    await writeFile(unfinished, text, { mode: 0o600 });
    await rename(unfinished, path);
    await this.deleteUnfinished();
    await this.deleteOldest();
  }

  /**
   * Returns what a configuration was made of, for `ConfigHost.start`; null when it is not kept.
   * @throws OperationalError `bad-copy`
   */
  async read(fingerprint: string): Promise<ConfigSnapshot | null> {
    if (!FINGERPRINT.test(fingerprint)) return null;
    const path = join(this.folder, fingerprint);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (text === null) return null;
    const files = parsed(text);
    if (!files) throw new OperationalError('bad-copy', `${path} is damaged: delete it`, { path });
    const folder = dirname(this.file);
    return Object.fromEntries(Object.entries(files).map(([name, loaded]) => [resolve(folder, name), loaded]));
  }

  /** Deletes what processes left behind that were killed while they wrote. */
  private async deleteUnfinished(): Promise<void> {
    for (const name of await readdir(this.folder)) {
      const pid = Number(UNFINISHED.exec(name)?.[1]);
      if (pid === process.pid || (pid > 0 && !isRunning(pid))) await rm(join(this.folder, name), { force: true });
    }
  }

  private async deleteOldest(): Promise<void> {
    const paths = (await readdir(this.folder))
      .filter((name) => FINGERPRINT.test(name))
      .map((name) => join(this.folder, name));
    if (paths.length <= KEPT) return;
    // Another process may be deleting the same ones.
    const aged = await Promise.all(
      paths.map(async (path) => ({ path, atMs: (await stat(path).catch(() => null))?.mtimeMs ?? 0 })),
    );
    aged.sort((a, b) => b.atMs - a.atMs);
    for (const { path } of aged.slice(KEPT)) await rm(path, { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function parsed(text: string): Record<string, LoadedFile> | null {
  try {
    const files: unknown = JSON.parse(text);
    const isWhole = typeof files === 'object' && files !== null && Object.values(files).every(isLoadedFile);
    return isWhole ? (files as Record<string, LoadedFile>) : null;
  } catch {
    return null; // The caller says that it is damaged.
  }
}

function isLoadedFile(value: unknown): value is LoadedFile {
  if (typeof value !== 'object' || value === null) return false;
  const { code, sha256 } = value as Partial<LoadedFile>;
  return typeof code === 'string' && typeof sha256 === 'string';
}
