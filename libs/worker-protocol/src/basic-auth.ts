import { WORKER_LIMITS } from './limits.js';
import { ProtocolError } from './protocol-error.js';

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** The `Authorization` header with which a worker logs in. */
export function basicAuthorization({ name, password }: Credentials): string {
  return `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}`;
}

/**
 * Parses a worker's `Authorization` header. Returns undefined without a header (answer 401).
 * @throws ProtocolError when the header is not readable Basic authorization (answer 400)
 */
export function parseBasicAuthorization(header: string | undefined): Credentials | undefined {
  if (header === undefined || header === '') return undefined;
  const base64 = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(header)?.[1];
  if (base64 === undefined) throw new ProtocolError('the Authorization header is not Basic authorization');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'));
  } catch (error) {
    throw new ProtocolError('the Authorization header is not UTF-8 text', {}, { cause: error });
  }
  const colon = text.indexOf(':');
  if (colon < 1) throw new ProtocolError("the Authorization header has no 'name:password'");
  const credentials = { name: text.slice(0, colon), password: text.slice(colon + 1) };
  const { nameCharacters, passwordCharacters } = WORKER_LIMITS;
  if (credentials.name.length > nameCharacters || credentials.password.length > passwordCharacters) {
    throw new ProtocolError(`a name has at most ${nameCharacters} characters, a password ${passwordCharacters}`);
  }
  return credentials;
}
