/** The header of the PROXY protocol, version 2, before the first byte of a connection. */
export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string }
  /**
   * `length` is the header's size in bytes. Without a source the balancer itself connects (a health check), or does not know an IP address.
   */
  | { readonly kind: 'header'; readonly length: number; readonly source: { address: string; port: number } | null };

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const FIXED_BYTES = 16;
/** Longest header. Addresses and the extensions that balancers send (TLVs) are far smaller. */
const MAX_BYTES = 4096;
const PROXY_COMMAND = 1;
const IPV4 = { family: 1, bytes: 12 };
const IPV6 = { family: 2, bytes: 36 };

/** Parses the header at the beginning of the received bytes. Extensions are skipped. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  const seen = Math.min(bytes.length, SIGNATURE.length);
  if (bytes.compare(SIGNATURE, 0, seen, 0, seen) !== 0) return malformed('it does not begin with the signature of v2');
  if (bytes.length < FIXED_BYTES) return { kind: 'incomplete' };
  const version = bytes[12]! >> 4;
  const command = bytes[12]! & 0xf;
  const family = bytes[13]! >> 4;
  const length = FIXED_BYTES + bytes.readUInt16BE(14);
  if (version !== 2) return malformed(`its version is ${version}`);
  if (command > PROXY_COMMAND) return malformed(`its command is ${command}`);
  if (length > MAX_BYTES) return malformed(`it is ${length} bytes long`);
  if (bytes.length < length) return { kind: 'incomplete' };
  if (command !== PROXY_COMMAND || (family !== IPV4.family && family !== IPV6.family)) {
    return { kind: 'header', length, source: null };
  }
  const isIpv4 = family === IPV4.family;
  if (length - FIXED_BYTES < (isIpv4 ? IPV4 : IPV6).bytes) return malformed('it is too short for its addresses');
  const addressBytes = isIpv4 ? 4 : 16;
  const raw = bytes.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes);
  const port = bytes.readUInt16BE(FIXED_BYTES + 2 * addressBytes);
  return { kind: 'header', length, source: { address: isIpv4 ? raw.join('.') : ipv6Text(raw), port } };
}

/**
 * Formats an address as sockets do: groups without leading zeros, the longest run of zero groups left out (RFC 5952), mapped IPv4 as such.
 */
function ipv6Text(raw: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => raw.readUInt16BE(2 * i));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return raw.subarray(12).join('.');
  const text = groups.map((group) => group.toString(16)).join(':');
  const runs = [...text.matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)];
  const longest = runs.reduce<RegExpExecArray | null>(
    (best, run) => (best === null || run[0].length > best[0].length ? run : best),
    null,
  );
  if (!longest) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

function malformed(reason: string): ProxyHeader {
  return { kind: 'malformed', reason };
}
