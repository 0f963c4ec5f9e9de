/** `work` for everybody who asks for it: one run at a time, and those who ask during a run share the next one. */
export function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const run = (): Promise<void> => {
    next = null;
    return (running = work().finally(() => (running = null)));
  };
  return () => (running ? (next ??= running.then(run, run)) : run());
}
