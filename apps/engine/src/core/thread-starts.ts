/** Threads of one configuration, and what they are needed for. */
export interface ThreadDemand {
  readonly fingerprint: string;
  /** Builds that wait for a thread, and spare threads for those to come. */
  readonly wanted: number;
  readonly idle: number;
  readonly starting: number;
  /** Whether a thread has compiled the configuration, so that others start with the result. */
  readonly isCompiled: boolean;
}

/**
 * Decides which threads are started now: of each configuration as many as are missing, but no more at a time than there are cores for.
 * A start needs a core, and hundreds at once would all be ready at the end only, instead of one after the other. Further ones are started
 * when these are ready. The first thread of a configuration is started alone, and whatever else starts: it may never become ready.
 *
 * @param demands in the order in which they are to be met
 * @returns a fingerprint for each thread
 */
export function threadsToStart(demands: readonly ThreadDemand[], mostStarting: number): string[] {
  const compiled = demands.filter(({ isCompiled }) => isCompiled);
  let room = mostStarting - compiled.reduce((sum, { starting }) => sum + starting, 0);
  return demands.flatMap(({ fingerprint, wanted, idle, starting, isCompiled }) => {
    const missing = Math.max(0, wanted - idle - starting);
    if (!isCompiled) return missing > 0 && starting === 0 ? [fingerprint] : [];
    const count = Math.max(0, Math.min(missing, room));
    room -= count;
    return Array<string>(count).fill(fingerprint);
  });
}
