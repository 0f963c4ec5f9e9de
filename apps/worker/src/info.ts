import { COMMAND_NAMES, cut, FEATURE_OBFUSCATION, FEATURE_RESUME, WORKER_LIMITS } from '@millrace/worker-protocol';
import { constants, mkdirSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { arch, availableParallelism, hostname, release, type } from 'node:os';
import { join } from 'node:path';
import { COMMAND_VERSION } from './commands/index.js';

export const WORKER_VERSION = 'millrace-0.1.0';

/** Makes the base directory with its `info` folder, for people to write to. */
export function prepareBasedir(basedir: string): void {
  mkdirSync(join(basedir, 'info'), { recursive: true });
}

/** Returns the worker's information about itself (`docs/protocols.md#what-a-worker-says-of-itself`), with our own keys. */
export async function workerInfo(
  basedir: string,
  environ: Readonly<Record<string, string>>,
  heldCommands: readonly string[],
  incarnation: string,
): Promise<Record<string, unknown>> {
  return {
    admin: '',
    host: `${hostname()}: ${type()} ${release()} on ${arch()}, Node ${process.versions.node}\n`,
    ...(await infoFiles(join(basedir, 'info'))),
    ...(await operatingSystem()),
    environ,
    system: process.platform === 'win32' ? 'nt' : 'posix',
    basedir,
    numcpus: availableParallelism(),
    version: WORKER_VERSION,
    worker_commands: Object.fromEntries(COMMAND_NAMES.map((name) => [name, COMMAND_VERSION])),
    delete_leftover_dirs: false,
    millrace_features: [FEATURE_OBFUSCATION, FEATURE_RESUME],
    running_commands: heldCommands,
    incarnation,
  };
}

async function infoFiles(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).slice(0, WORKER_LIMITS.infoTexts);
  const texts = await Promise.all(files.map((file) => beginningOf(join(folder, file.name))));
  return Object.fromEntries(files.map((file, index) => [file.name, texts[index] ?? '']));
}

/** Reads the beginning of a plain file that people write for people. A master keeps no more of it. */
async function beginningOf(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4 * WORKER_LIMITS.infoTextCharacters), 0);
    return cut(buffer.toString('utf8', 0, bytesRead), WORKER_LIMITS.infoTextCharacters);
  } finally {
    await file.close();
  }
}

async function operatingSystem(): Promise<Record<string, string>> {
  // Systems without this file have no such information.
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return Object.fromEntries(
    text
      .split('\n')
      .map((line) => /^([A-Z0-9_]+)=(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, key = '', value = '']) => [`os_${key.toLowerCase()}`, value.replaceAll('"', '')]),
  );
}
