/** Returns the value of a cookie; null when it is missing, or there are several: one of them was put there by somebody else. */
export function cookieOf(header: string | undefined, name: string): string | null {
  if (header === undefined) return null;
  const values = header.split(';').flatMap((part) => {
    const at = part.indexOf('=');
    return at > 0 && part.slice(0, at).trim() === name ? [part.slice(at + 1).trim()] : [];
  });
  return values.length === 1 && values[0] !== '' ? values[0]! : null;
}

/**
 * Name and attributes of a cookie of ours: that of the session, or that of a login at a provider. Over https the name makes browsers keep plain http from setting it, and at the root of a host
 * other hosts as well.
 */
export function cookieFor(
  what: 'session' | 'login',
  publicUrl: string,
): {
  readonly name: string;
  set(value: string, seconds: number): string;
  readonly clear: string;
} {
  const isSecure = publicUrl.startsWith('https:');
  const path = new URL(publicUrl).pathname;
  const prefix = isSecure ? (path === '/' ? '__Host-' : '__Secure-') : '';
  const name = `${prefix}millrace_${what}`;
  const attributes = `Path=${path}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  return {
    name,
    set: (value, seconds) => `${name}=${value}; Max-Age=${Math.floor(seconds)}; ${attributes}`,
    clear: `${name}=; Max-Age=0; ${attributes}`,
  };
}
