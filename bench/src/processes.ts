import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10;

/** Returns the CPU time that all threads of a process have used, on Linux. */
export function cpuMs(pid: number): number {
  const [utime, stime] = statOf(pid).slice(11, 13).map(Number);
  return (utime! + stime!) * TICK_MS;
}

/** Returns the resident memory of a process and all its descendants. */
export function treeMemoryBytes(pid: number): number {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      parents.set(Number(entry), Number(statOf(Number(entry))[1]));
    } catch {
      continue; // The process ended while we looked.
    }
  }
  const isBelow = (one: number): boolean => one === pid || (parents.has(one) && isBelow(parents.get(one)!));
  return [...parents.keys()].filter(isBelow).reduce((sum, one) => sum + memoryBytes(one), 0);
}

/** Returns the resident memory of one process. */
export function memoryBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** Returns the fields of `/proc/PID/stat` after the name: state, parent, … */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
