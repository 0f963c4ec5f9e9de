import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Pids of the processes whose working directory is below that folder: with a worker's base directory, the commands that it runs. */
export function processesBelow(folder: string): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    try {
      const isBelow = /^\d+$/.test(entry) && readlinkSync(`/proc/${entry}/cwd`).startsWith(`${folder}/`);
      return isBelow ? [Number(entry)] : [];
    } catch {
      return []; // It ended while we looked, or is not ours to look at.
    }
  });
}

/** Resident memory of a process. */
export function memoryBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** One that is gone already needs no signal. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
