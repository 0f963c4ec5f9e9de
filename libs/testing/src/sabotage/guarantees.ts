/** What the chaos suite takes away, one at a time, to show that it would notice its absence. */
export type Guarantee = 'fence' | 'cause' | 'poll';

export const GUARANTEES: readonly Guarantee[] = ['fence', 'cause', 'poll'];

/** For `Cluster.start`: every process of it loads the sabotage first. */
export function sabotageEnvironment(guarantee: Guarantee): Record<string, string> {
  return { NODE_OPTIONS: `--import=${moduleFor(guarantee, new URL('preload.js', import.meta.url))}` };
}

/** A module of this folder for one guarantee. */
export function moduleFor(guarantee: Guarantee, module: URL): string {
  return `${module.href}?${guarantee}`;
}

/** The guarantee that a module was made for. */
export function guaranteeOf(url: string): Guarantee {
  const name = new URL(url).search.slice(1);
  const guarantee = GUARANTEES.find((known) => known === name);
  if (!guarantee) throw new Error(`'${name}' is no guarantee`);
  return guarantee;
}
