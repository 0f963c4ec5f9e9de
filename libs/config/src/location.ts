import { fileURLToPath } from 'node:url';

export interface SourceLocation {
  readonly file: string;
  readonly line: number;
}

const locations = new WeakMap<object, SourceLocation>();

/**
 * How many frames are looked at, because each takes time for every step of a configuration. The first may be of Node.js itself, as in
 * `names.map(builder)`.
 */
const FRAMES = 3;

/** Remembers the line of the user's code that called `helper`, for messages about `made`. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- captureStackTrace takes any function
export function locate<T extends object>(helper: Function, made: T): T {
  const holder: { stack?: string } = {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  Error.captureStackTrace(holder, helper);
  Error.stackTraceLimit = stackTraceLimit;
  const location = locationIn(holder.stack);
  if (location) locations.set(made, location);
  return made;
}

export function locationOf(value: unknown): SourceLocation | undefined {
  return typeof value === 'object' && value !== null ? locations.get(value) : undefined;
}

/** Returns the first place in a stack trace that is in a file (not in Node.js itself). */
export function locationIn(
  stack: string | undefined,
  accepts: (file: string) => boolean = () => true,
): SourceLocation | undefined {
  for (const frame of stack?.split('\n') ?? []) {
    const found = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^():]*|[a-z]:\\[^():]*):(\d+)(?::\d+)?\)?$/i.exec(
      frame.trimEnd(),
    );
    if (!found) continue;
    const file = found[1]!.startsWith('file://') ? fileURLToPath(found[1]!) : found[1]!;
    if (accepts(file)) return { file, line: Number(found[2]) };
  }
  return undefined;
}
