import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

/** Addresses of what the kernel shows about this process: fields of `/proc/self/stat`, counted from 1. */
const AREAS = { cmdline: { from: 48, to: 49 }, environ: { from: 50, to: 51 } } as const;
const FIRST_FIELD_AFTER_NAME = 3;

/**
 * Removes secrets from what others can read about this process. A variable that is deleted stays in `/proc/PID/environ`, and an argument in
 * `/proc/PID/cmdline`, for every process of the same user (the latter for everybody): builds are such processes. So the memory that the
 * kernel shows there is overwritten. Nothing else reads it: variables are looked up by pointers, and those to deleted variables are gone.
 *
 * @returns true when no secret can be read there any more; false when the system does not allow a process to do that
 */
export function hideSecrets(variables: readonly string[], secrets: readonly string[]): boolean {
  for (const name of variables) delete process.env[name];
  const isVariable = (text: string): boolean => variables.some((name) => text.startsWith(`${name}=`));
  const isArgument = (text: string): boolean =>
    secrets.some((secret) => secret !== '' && (text === secret || text.endsWith(`=${secret}`)));
  try {
    const memory = openSync('/proc/self/mem', 'r+');
    try {
      overwrite(memory, AREAS.environ, isVariable);
      overwrite(memory, AREAS.cmdline, isArgument);
    } finally {
      closeSync(memory);
    }
    const shown = (file: string): string[] => readFileSync(`/proc/self/${file}`, 'utf8').split('\0');
    return !shown('environ').some(isVariable) && !shown('cmdline').some(isArgument);
  } catch {
    // The system has no such file, or forbids it. The caller reports it.
    return false;
  }
}

/** Overwrites complete strings of that area without changing their length. */
function overwrite(
  memory: number,
  { from, to }: { from: number; to: number },
  isSecret: (text: string) => boolean,
): void {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  // The name in parentheses may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [start, end] = [from, to].map((field) => Number(fields[field - FIRST_FIELD_AFTER_NAME])) as [number, number];
  const area = Buffer.alloc(end - start);
  readSync(memory, area, 0, area.length, start);
  for (let at = 0; at < area.length;) {
    const next = area.indexOf(0, at);
    const stop = next < 0 ? area.length : next;
    if (isSecret(area.toString('utf8', at, stop))) {
      const blank = Buffer.alloc(stop - at, '*');
      writeSync(memory, blank, 0, blank.length, start + at);
    }
    at = stop + 1;
  }
}
