import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Returns the pids of processes whose working directory is below a folder. Below a worker's base directory these are the commands that it
 * runs.
 */
export function processesBelow(folder: string): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    try {
      const isBelow = /^\d+$/.test(entry) && readlinkSync(`/proc/${entry}/cwd`).startsWith(`${folder}/`);
      return isBelow ? [Number(entry)] : [];
    } catch {
      return []; // The process ended while we looked, or belongs to another user.
    }
  });
}

/** Returns the resident memory of a process. */
export function memoryBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** Sends a signal to a process, if it still exists. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
