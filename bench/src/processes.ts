import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const TICK_MS = 10;

/** Returns the CPU time that all threads of a process have used, on Linux. */
export function cpuMs(pid: number): number {
  const [utime, stime] = statOf(pid).slice(11, 13).map(Number);
  return (utime! + stime!) * TICK_MS;
}

/** Returns the CPU time of a process and all its living descendants, with that of those that have ended. */
export function treeCpuMs(pid: number): number {
  return treeOf(pid).reduce((sum, one) => {
    const times = statOf(one).slice(11, 15).map(Number);
    return sum + times.reduce((total, ticks) => total + ticks, 0) * TICK_MS;
  }, 0);
}

/** Returns the local TCP ports of a process's sockets. */
export function portsOf(pid: number): number[] {
  const sockets = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) sockets.add(inode);
    } catch {
      continue; // It was closed while we looked.
    }
  }
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.filter((one) => sockets.has(one[9]!)).map((one) => parseInt(one[1]!.split(':')[1]!, 16));
}

/** Returns the resident memory of a process and all its descendants. */
export function treeMemoryBytes(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + memoryBytes(one), 0);
}

/** Returns a process and its descendants. */
function treeOf(pid: number): number[] {
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
  return [...parents.keys()].filter(isBelow);
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
