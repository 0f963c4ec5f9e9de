/**
 * Sends a signal to a process group, if it still exists. Returns false when it is not permitted: all its remaining processes belong to
 * other users, as with sudo.
 */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM') return false;
    if (code !== 'ESRCH') throw error;
  }
  return true;
}
