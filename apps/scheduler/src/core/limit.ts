/** Runs at most `slots` pieces of work at once, in the order in which they came. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>;

export function createLimit(slots: number): Limit {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= slots) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // The slot goes straight to the next in line, so `running` stays as it is.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
