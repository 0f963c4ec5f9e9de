/**
 * Whether a page from `origin` may use this master: one that came from the public URL, or from the very host and port the request
 * went to where that is a loopback name or a plain address (any other name could be pointed here by somebody else's DNS).
 * Programs send no Origin and are let in.
 */
export function originAllowed(origin: string | undefined, host: string | undefined, publicUrl: string): boolean {
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const from = new URL(origin);
  if (from.origin === new URL(publicUrl).origin) return true;
  return from.host === host && isPlainHost(from.hostname);
}

function isPlainHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}
