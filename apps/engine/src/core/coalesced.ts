/** Returns a function that runs `work`: one run at a time; calls during a run share the next one. */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const run = (): Promise<void> => {
    next = null;
    return (running = work().finally(() => (running = null)));
  };
  return () => (running ? (next ??= running.then(run, run)) : run());
}
