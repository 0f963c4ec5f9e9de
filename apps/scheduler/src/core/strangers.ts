export interface Asking {
  /** What a browser says on behalf of a page; programs say nothing. */
  readonly origin: string | undefined;
  readonly host: string | undefined;
}

/**
 * Why a request may not start builds; null: it may. Somebody else's page can make a browser on this machine send requests, under a
 * name of its own that points here, too. Where a token is needed, no such page has it.
 */
export function strangerAt(asking: Asking, trigger: { publicUrl: string; hasToken: boolean }): string | null {
  const { origin, host } = asking;
  if (origin !== undefined && origin !== new URL(trigger.publicUrl).origin)
    return `pages from ${origin} may not start builds`;
  if (trigger.hasToken || isPlainHost(host)) return null;
  return `the Host header is '${host}': without a token (MILLRACE_TRIGGER_TOKEN) it has to be localhost or an address`;
}

function isPlainHost(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])(:\d+)?$/i.test(host);
}
