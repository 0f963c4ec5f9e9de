export interface ResultLook {
  /** End of the class name. */
  readonly slug: string;
  readonly name: string;
  /** Shows the result without colour. */
  readonly mark: string;
}

const LOOKS: readonly ResultLook[] = [
  { slug: 'success', name: 'success', mark: '✓' },
  { slug: 'warnings', name: 'warnings', mark: '!' },
  { slug: 'failure', name: 'failure', mark: '✕' },
  { slug: 'skipped', name: 'skipped', mark: '–' },
  { slug: 'exception', name: 'exception', mark: '‼' },
  { slug: 'retry', name: 'retry', mark: '↻' },
  { slug: 'cancelled', name: 'cancelled', mark: '⊘' },
];
export const RUNNING: ResultLook = { slug: 'running', name: 'running', mark: '▸' };
export const WAITING: ResultLook = { slug: 'waiting', name: 'waiting', mark: '·' };
export const NEVER: ResultLook = { slug: 'never', name: 'not built yet', mark: '○' };

export function lookOf(item: { readonly complete: boolean; readonly results: number | null }): ResultLook {
  if (!item.complete) return RUNNING;
  return LOOKS[item.results ?? -1] ?? NEVER;
}

export function lookOfResults(results: number | null): ResultLook {
  return results === null ? NEVER : (LOOKS[results] ?? NEVER);
}
