import type { InitializeHook, ResolveHook } from 'node:module';
import { type Guarantee, moduleFor } from './guarantees.js';

/** The replaced modules and their replacements. Paths start from `libs`. */
const REPLACED: Readonly<Record<Guarantee, readonly [original: string, replacement: string]>> = {
  fence: ['database/dist/open.js', 'open.js'],
  cause: ['database/dist/open.js', 'open.js'],
  poll: ['master/dist/loop.js', 'loop.js'],
};

let original = '';
let replacement = '';

export const initialize: InitializeHook<Guarantee> = (guarantee) => {
  const [path, file] = REPLACED[guarantee];
  original = new URL(`../../../${path}`, import.meta.url).href;
  replacement = moduleFor(guarantee, new URL(file, import.meta.url));
};

/** Resolves modules. A replacement imports the original by its address with a query. */
export const resolve: ResolveHook = async (specifier, context, next) => {
  const resolved = await next(specifier, context);
  return resolved.url === original ? { ...resolved, url: replacement } : resolved;
};
