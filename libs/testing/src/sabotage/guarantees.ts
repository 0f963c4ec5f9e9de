/** A guarantee that the chaos suite removes, one at a time, to show that it would notice a violation. */
export type Guarantee = 'fence' | 'cause' | 'poll';

export const GUARANTEES: readonly Guarantee[] = ['fence', 'cause', 'poll'];

/** Returns an environment for `Cluster.start` that makes every process load the sabotage first. */
export function sabotageEnvironment(guarantee: Guarantee): Record<string, string> {
  return { NODE_OPTIONS: `--import=${moduleFor(guarantee, new URL('preload.js', import.meta.url))}` };
}

/** Returns the address of a module of this folder for one guarantee. */
export function moduleFor(guarantee: Guarantee, module: URL): string {
  return `${module.href}?${guarantee}`;
}

/** Returns the guarantee that a module's address was made for. */
export function guaranteeOf(url: string): Guarantee {
  const name = new URL(url).search.slice(1);
  const guarantee = GUARANTEES.find((known) => known === name);
  if (!guarantee) throw new Error(`'${name}' is no guarantee`);
  return guarantee;
}
