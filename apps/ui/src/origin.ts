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

/**
 * Whether a request may name this master `host`. On loopback only by a loopback name, a plain address or that of the public URL: with any
 * other a page from elsewhere could have pointed its own name here (DNS rebinding), and it needs no Origin to read.
 */
export function hostAllowed(host: string | undefined, listensOn: string, publicUrl: string): boolean {
  if (host === undefined || !isLoopback(listensOn)) return true;
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return isPlainHost(hostname) || hostname === new URL(publicUrl).hostname;
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || address.startsWith('127.');
}

function isPlainHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}
