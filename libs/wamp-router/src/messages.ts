import { parseJson, printable, UserError } from '@millrace/domain';
import { isPrefixUri, isUri } from './uris.js';

/** WAMP v2 message codes (basic profile, with CANCEL). */
export const Code = {
  HELLO: 1,
  WELCOME: 2,
  ABORT: 3,
  CHALLENGE: 4,
  AUTHENTICATE: 5,
  GOODBYE: 6,
  ERROR: 8,
  PUBLISH: 16,
  PUBLISHED: 17,
  SUBSCRIBE: 32,
  SUBSCRIBED: 33,
  UNSUBSCRIBE: 34,
  UNSUBSCRIBED: 35,
  EVENT: 36,
  CALL: 48,
  CANCEL: 49,
  RESULT: 50,
  REGISTER: 64,
  REGISTERED: 65,
  UNREGISTER: 66,
  UNREGISTERED: 67,
  INVOCATION: 68,
  YIELD: 70,
} as const;

export type Dict = Readonly<Record<string, unknown>>;
/** The optional tail of a message: `[]`, `[args]` or `[args, kwargs]`. It is passed on unchanged. */
export type Payload = readonly [] | readonly [readonly unknown[]] | readonly [readonly unknown[], Dict];

/** The fields of a HELLO that this router uses. */
export interface Hello {
  readonly authMethods: readonly string[];
  readonly authId: string | null;
  /** The client understands an UNREGISTERED that it did not request. */
  readonly takesRevocation: boolean;
}

/** A validated message that a client may send. */
export type ClientMessage =
  | ({ readonly code: typeof Code.HELLO; readonly realm: string } & Hello)
  | { readonly code: typeof Code.ABORT }
  | { readonly code: typeof Code.AUTHENTICATE; readonly signature: string }
  | { readonly code: typeof Code.GOODBYE }
  | { readonly code: typeof Code.ERROR; readonly request: number; readonly error: string; readonly payload: Payload }
  | {
      readonly code: typeof Code.PUBLISH;
      readonly request: number;
      readonly topic: string;
      readonly acknowledge: boolean;
      readonly excludeMe: boolean;
      readonly payload: Payload;
    }
  | {
      readonly code: typeof Code.SUBSCRIBE;
      readonly request: number;
      readonly topic: string;
      /** Any value other than `exact` and `prefix` is answered with an error, not with the end of the session. */
      readonly match: string;
    }
  | { readonly code: typeof Code.UNSUBSCRIBE; readonly request: number; readonly subscription: number }
  | { readonly code: typeof Code.CALL; readonly request: number; readonly procedure: string; readonly payload: Payload }
  | { readonly code: typeof Code.CANCEL; readonly request: number }
  | {
      readonly code: typeof Code.REGISTER;
      readonly request: number;
      readonly procedure: string;
      readonly match: string;
      readonly invoke: string;
      readonly forceReregister: boolean;
    }
  | { readonly code: typeof Code.UNREGISTER; readonly request: number; readonly registration: number }
  | { readonly code: typeof Code.YIELD; readonly request: number; readonly payload: Payload };

/** Thrown when a frame is not a WAMP message that a client may send. The session is aborted with this text. */
export class ProtocolViolation extends Error {}

/** Limits of a frame. Events are small: a topic, and the ids of a row. */
const FRAME_LIMITS = { maxDepth: 32, maxValues: 20_000, maxCharacters: 1 << 20 };
/** Longest value of an option that an error message quotes. */
const MAX_WORD_CHARACTERS = 100;
/** Longest ticket or name of a principal. */
const MAX_CREDENTIAL_CHARACTERS = 1_000;

/**
 * Validates one frame, in time linear in its length.
 *
 * @throws ProtocolViolation naming the message and the field.
 */
export function parseMessage(frame: string): ClientMessage {
  let message: unknown;
  try {
    message = parseJson(frame, FRAME_LIMITS, 'the frame');
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new ProtocolViolation(error.code === 'bad-json' ? 'the frame is not JSON' : error.message);
  }
  if (!Array.isArray(message)) throw new ProtocolViolation('a message must be a list');
  return toClientMessage(message as readonly unknown[]);
}

function toClientMessage(message: readonly unknown[]): ClientMessage {
  const code = message[0];
  switch (code) {
    case Code.HELLO:
      length(message, 'HELLO', 3, 3);
      return { code, realm: uri(message, 'HELLO', 1, 'Realm'), ...hello(dict(message, 'HELLO', 2, 'Details')) };
    case Code.ABORT:
      length(message, 'ABORT', 3, 5);
      return { code };
    case Code.AUTHENTICATE:
      length(message, 'AUTHENTICATE', 3, 3);
      dict(message, 'AUTHENTICATE', 2, 'Extra');
      return { code, signature: text(message[1], 'AUTHENTICATE.Signature', MAX_CREDENTIAL_CHARACTERS) };
    case Code.GOODBYE:
      length(message, 'GOODBYE', 3, 3);
      dict(message, 'GOODBYE', 1, 'Details');
      uri(message, 'GOODBYE', 2, 'Reason');
      return { code };
    case Code.ERROR:
      length(message, 'ERROR', 5, 7);
      if (message[1] !== Code.INVOCATION) throw new ProtocolViolation('ERROR.RequestType must be INVOCATION');
      dict(message, 'ERROR', 3, 'Details');
      return {
        code,
        request: id(message, 'ERROR', 2, 'Request'),
        error: uri(message, 'ERROR', 4, 'Error'),
        payload: payloadFrom(message, 'ERROR', 5),
      };
    case Code.PUBLISH: {
      length(message, 'PUBLISH', 4, 6);
      const options = dict(message, 'PUBLISH', 2, 'Options');
      return {
        code,
        request: id(message, 'PUBLISH', 1, 'Request'),
        topic: uri(message, 'PUBLISH', 3, 'Topic'),
        acknowledge: flag(options, 'PUBLISH', 'acknowledge', false),
        excludeMe: flag(options, 'PUBLISH', 'exclude_me', true),
        payload: payloadFrom(message, 'PUBLISH', 4),
      };
    }
    case Code.SUBSCRIBE: {
      length(message, 'SUBSCRIBE', 4, 4);
      const match = word(dict(message, 'SUBSCRIBE', 2, 'Options'), 'SUBSCRIBE', 'match', 'exact');
      const topic =
        match === 'exact' ? uri(message, 'SUBSCRIBE', 3, 'Topic') : prefixUri(message, 'SUBSCRIBE', 3, 'Topic');
      return { code, request: id(message, 'SUBSCRIBE', 1, 'Request'), topic, match };
    }
    case Code.UNSUBSCRIBE:
      length(message, 'UNSUBSCRIBE', 3, 3);
      return {
        code,
        request: id(message, 'UNSUBSCRIBE', 1, 'Request'),
        subscription: id(message, 'UNSUBSCRIBE', 2, 'Subscription'),
      };
    case Code.CALL:
      length(message, 'CALL', 4, 6);
      dict(message, 'CALL', 2, 'Options');
      return {
        code,
        request: id(message, 'CALL', 1, 'Request'),
        procedure: uri(message, 'CALL', 3, 'Procedure'),
        payload: payloadFrom(message, 'CALL', 4),
      };
    case Code.CANCEL:
      length(message, 'CANCEL', 3, 3);
      dict(message, 'CANCEL', 2, 'Options');
      return { code, request: id(message, 'CANCEL', 1, 'Request') };
    case Code.REGISTER: {
      length(message, 'REGISTER', 4, 4);
      const options = dict(message, 'REGISTER', 2, 'Options');
      return {
        code,
        request: id(message, 'REGISTER', 1, 'Request'),
        procedure: prefixUri(message, 'REGISTER', 3, 'Procedure'),
        match: word(options, 'REGISTER', 'match', 'exact'),
        invoke: word(options, 'REGISTER', 'invoke', 'single'),
        forceReregister: flag(options, 'REGISTER', 'force_reregister', false),
      };
    }
    case Code.UNREGISTER:
      length(message, 'UNREGISTER', 3, 3);
      return {
        code,
        request: id(message, 'UNREGISTER', 1, 'Request'),
        registration: id(message, 'UNREGISTER', 2, 'Registration'),
      };
    case Code.YIELD:
      length(message, 'YIELD', 3, 5);
      if (flag(dict(message, 'YIELD', 2, 'Options'), 'YIELD', 'progress', false)) {
        throw new ProtocolViolation('YIELD.Options.progress: progressive results are not supported');
      }
      return { code, request: id(message, 'YIELD', 1, 'Request'), payload: payloadFrom(message, 'YIELD', 3) };
    default:
      throw new ProtocolViolation(
        `a client may not send a message of type ${printable(String(JSON.stringify(code)), 50)}`,
      );
  }
}

function hello(details: Dict): Hello {
  const methods = own(details, 'authmethods') ?? ['anonymous'];
  if (!Array.isArray(methods)) throw new ProtocolViolation('HELLO.Details.authmethods must be a list');
  const authId = own(details, 'authid') ?? null;
  const callee = member(member(own(details, 'roles'), 'callee'), 'features');
  return {
    authMethods: methods.map((method) => text(method, 'HELLO.Details.authmethods', MAX_WORD_CHARACTERS)),
    authId: authId === null ? null : text(authId, 'HELLO.Details.authid', MAX_CREDENTIAL_CHARACTERS),
    takesRevocation: member(callee, 'registration_revocation') === true,
  };
}

function member(value: unknown, key: string): unknown {
  return isDict(value) ? own(value, key) : undefined;
}

function length(message: readonly unknown[], name: string, least: number, most: number): void {
  if (message.length < least || message.length > most) {
    throw new ProtocolViolation(`${name} has ${message.length} elements, expected ${least} to ${most}`);
  }
}

/** Checks a request id or router id: 1 … 2^53. */
function id(message: readonly unknown[], name: string, index: number, field: string): number {
  const value = message[index];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 2 ** 53) {
    throw new ProtocolViolation(`${name}.${field} must be an integer from 1 to 2^53`);
  }
  return value;
}

function text(value: unknown, field: string, maxCharacters = Infinity): string {
  if (typeof value !== 'string') throw new ProtocolViolation(`${field} must be a string`);
  if (value.length > maxCharacters) throw new ProtocolViolation(`${field} is longer than ${maxCharacters} characters`);
  return value;
}

function uri(message: readonly unknown[], name: string, index: number, field: string): string {
  const value = text(message[index], `${name}.${field}`);
  if (!isUri(value)) throw new ProtocolViolation(`${name}.${field} is not a URI`);
  return value;
}

function prefixUri(message: readonly unknown[], name: string, index: number, field: string): string {
  const value = text(message[index], `${name}.${field}`);
  if (!isPrefixUri(value)) throw new ProtocolViolation(`${name}.${field} is not a URI or URI prefix`);
  return value;
}

function isDict(value: unknown): value is Dict {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function dict(message: readonly unknown[], name: string, index: number, field: string): Dict {
  const value = message[index];
  if (!isDict(value)) throw new ProtocolViolation(`${name}.${field} must be a dictionary`);
  return value;
}

function flag(options: Dict, name: string, key: string, fallback: boolean): boolean {
  const value = own(options, key) ?? fallback;
  if (typeof value !== 'boolean') throw new ProtocolViolation(`${name}.Options.${key} must be true or false`);
  return value;
}

function word(options: Dict, name: string, key: string, fallback: string): string {
  return text(own(options, key) ?? fallback, `${name}.Options.${key}`, MAX_WORD_CHARACTERS);
}

/** Returns an own property of an object, never an inherited one. */
function own(options: Dict, key: string): unknown {
  return Object.hasOwn(options, key) ? options[key] : undefined;
}

function payloadFrom(message: readonly unknown[], name: string, index: number): Payload {
  if (message.length <= index) return [];
  const args = message[index];
  if (!Array.isArray(args)) throw new ProtocolViolation(`${name}.Arguments must be a list`);
  if (message.length === index + 1) return [args as readonly unknown[]];
  const kwargs = message[index + 1];
  if (!isDict(kwargs)) throw new ProtocolViolation(`${name}.ArgumentsKw must be a dictionary`);
  return [args as readonly unknown[], kwargs];
}
