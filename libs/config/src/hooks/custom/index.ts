import { checkProperties, type JsonValue } from '@millrace/domain';
import { locate } from '../../location.js';
import type { HookChange, HookDialect, Proof, Reading } from '../kind.js';
import type { HookOptions } from '../options.js';
import { badDelivery, Payload } from '../payload.js';

/** A delivery as the parser of a custom hook gets it. */
export interface HookRequest {
  /** Headers by their names in lower case. Those with secrets are left out. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The part of the address behind the question mark. */
  readonly query: string;
}

/** A change as the parser of a custom hook returns it. */
export interface ParsedChange {
  readonly author: string;
  readonly committer?: string | null;
  readonly comments?: string;
  readonly branch?: string | null;
  readonly revision?: string | null;
  readonly revlink?: string;
  readonly category?: string | null;
  readonly repository?: string;
  readonly project?: string;
  readonly codebase?: string;
  /** In ms since 1970. */
  readonly when?: number | null;
  readonly files?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonValue>>;
}

/** Changes, or why the delivery stands for none. */
export type Parsed = readonly ParsedChange[] | { readonly ignored: string };

export interface CustomHookOptions extends Omit<HookOptions, 'name'> {
  readonly parse: (request: HookRequest) => Parsed | Promise<Parsed>;
  /** Where a delivery shows that it knows the secret. Default `authorization`; otherwise the name of a header with the HMAC or the secret. */
  readonly signature?: 'authorization' | { readonly hmac: string } | { readonly token: string };
}

export interface CustomHookDefinition extends CustomHookOptions {
  readonly dialect: 'custom';
  readonly name: string;
}

/** Defines a hook of one's own: `POST /change_hook/custom/NAME`. The parser runs in the configuration's thread. */
export function customHook(name: string, options: CustomHookOptions): CustomHookDefinition {
  return locate(customHook, { ...options, dialect: 'custom', name });
}

interface Custom {
  readonly parse: string;
  readonly signature: Proof;
}

export const customDialect: HookDialect<Custom> = {
  name: 'custom',
  compile(reader, callbacks) {
    const parse = reader.raw('parse');
    if (typeof parse !== 'function') reader.problem('parse', 'a callback that gets the request and returns changes');
    return {
      parse: typeof parse === 'function' ? callbacks.keep(reader.at('parse'), parse) : '',
      signature: compileSignature(reader.raw('signature'), (expected) => reader.problem('signature', expected)),
    };
  },
  proof: ({ signature }) => signature,
  deliveryHeaders: ['idempotency-key', 'x-request-id'],
  read({ parse, codebase, project }, { headers, body, query }, answer) {
    if (answer === undefined) return { kind: 'ask', handle: parse, value: { headers, body, query } };
    return readAnswer(answer, { codebase, project: project ?? '' });
  },
};

function compileSignature(value: unknown, problem: (expected: string) => void): Proof {
  if (value === undefined || value === 'authorization') return { kind: 'authorization' };
  for (const kind of ['hmac', 'token'] as const) {
    const header = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[kind] : undefined;
    if (typeof header === 'string' && /^[A-Za-z0-9-]{1,100}$/.test(header))
      return { kind, header: header.toLowerCase() };
  }
  problem("'authorization', { hmac: 'HEADER' } or { token: 'HEADER' }");
  return { kind: 'authorization' };
}

const MAX_CHANGES = 5_000;

function readAnswer(answer: JsonValue, defaults: { readonly codebase: string; readonly project: string }): Reading {
  if (!Array.isArray(answer)) {
    const reason = new Payload(answer).text('ignored');
    if (reason === '') throw badDelivery("the parser has to return a list of changes, or { ignored: 'why' }");
    return { kind: 'ignored', reason };
  }
  if (answer.length === 0) return { kind: 'ignored', reason: 'the parser found no changes' };
  if (answer.length > MAX_CHANGES) throw badDelivery(`the parser returned more than ${MAX_CHANGES} changes`);
  return { kind: 'changes', changes: answer.map((item: JsonValue) => readChange(new Payload(item), defaults)) };
}

function readChange(
  change: Payload,
  { codebase, project }: { readonly codebase: string; readonly project: string },
): HookChange {
  const properties: unknown = change.at('properties').raw ?? {};
  checkProperties(properties);
  return {
    author: change.required('author'),
    committer: change.optionalText('committer'),
    comments: change.text('comments'),
    branch: change.optionalText('branch'),
    revision: change.optionalText('revision'),
    revlink: change.text('revlink'),
    category: change.optionalText('category'),
    repository: change.text('repository'),
    project: change.text('project') || project,
    codebase: change.text('codebase') || codebase,
    whenMs: change.whenMs('when'),
    files: change.texts('files'),
    properties,
  };
}
