/** The path below which Buildbot's own frontend is served. */
export const STOCK_PATH = '/buildbot';

/** Its views that are packages of their own. */
const PLUGINS = ['waterfall_view', 'console_view', 'grid_view'] as const;
type Plugin = (typeof PLUGINS)[number];

/** What the frontend asks for beside its own page, and finds at the root. */
const SHARED = /^\/buildbot(?=\/(?:api|auth|avatar|sse|ws)(?:[/?]|$))/;
const PLUGIN_FILE = /^plugins\/([a-z_]{1,50})\/([\w./-]{1,200})$/;

/** Returns an address without Buildbot's path, for what is there once for both frontends. */
export function withoutStockPath(url: string): string {
  return url.replace(SHARED, '');
}

/** Whether an address is of Buildbot's frontend. */
export function isOfStock(url: string): boolean {
  return /^\/buildbot(?:[/?]|$)/.test(url);
}

/** What an address below `/buildbot` is. */
export type StockPlace =
  | { readonly kind: 'root' }
  | { readonly kind: 'config' }
  /** A file, by its path in the folder of packages. */
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'nothing' };

/** Returns what is meant by a path below `/buildbot`. */
export function stockPlaceOf(path: string): StockPlace {
  if (path === STOCK_PATH) return { kind: 'root' };
  // The frontend asks for its icon with two slashes.
  const rest = path.slice(STOCK_PATH.length).replace(/^\/+/, '');
  if (rest === 'config') return { kind: 'config' };
  if (rest === '') return { kind: 'file', file: 'buildbot_www/static/index.html' };
  if (!rest.startsWith('plugins/')) return { kind: 'file', file: `buildbot_www/static/${rest}` };
  const [, plugin, file] = PLUGIN_FILE.exec(rest) ?? [];
  return PLUGINS.includes(plugin as Plugin)
    ? { kind: 'file', file: `buildbot_${plugin}/static/${file}` }
    : { kind: 'nothing' };
}

/** Returns the views whose packages are there, as `/config` names them. */
export function stockPlugins(isThere: (file: string) => boolean): Record<string, object> {
  return Object.fromEntries(
    PLUGINS.filter((plugin) => isThere(`buildbot_${plugin}/static/scripts.js`)).map((plugin) => [plugin, {}]),
  );
}
