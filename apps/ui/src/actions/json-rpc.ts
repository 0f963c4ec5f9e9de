import { type JsonValue, parseJson, printable, UserError } from '@millrace/domain';
import type { PostedParams } from '../resources/params.js';

export type RpcId = string | number | null;

export interface RpcCall {
  readonly id: RpcId;
  readonly method: string;
  readonly params: PostedParams;
}

export interface RpcAnswer {
  readonly status: number;
  readonly body: string;
}

export const RPC = { parse: -32700, request: -32600, method: -32601, params: -32602, internal: -32603 } as const;

const MAX_ID_CHARACTERS = 256;
const MAX_METHOD_CHARACTERS = 100;
/** Limits of a call. The parameters of a form are values of properties, two levels further in. */
const CALL_LIMITS = { maxDepth: 18, maxValues: 20_000, maxCharacters: 1 << 20 };

/** Reads a call of JSON-RPC 2.0 as `/api/v2` uses it (`docs/api.md#control`): one call, named parameters, every member present. */
export function readCall(contentType: string, body: string): RpcCall | RpcAnswer {
  if (contentType.split(';', 1)[0]!.trim().toLowerCase() !== 'application/json') {
    return rpcError(400, undefined, RPC.request, 'Invalid content-type (use application/json)');
  }
  let call: unknown;
  try {
    call = parseJson(body, CALL_LIMITS, 'the call');
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return rpcError(400, undefined, RPC.parse, `JSON parse error: ${printable(error.message, 300)}`);
  }
  if (Array.isArray(call)) return rpcError(400, undefined, RPC.request, 'JSONRPC batch requests are not supported');
  if (typeof call !== 'object' || call === null) {
    return rpcError(400, undefined, RPC.request, 'JSONRPC root object must be an object');
  }
  const { jsonrpc, method, id, params } = call as Record<string, unknown>;
  for (const key of ['jsonrpc', 'method', 'id', 'params']) {
    if (!Object.hasOwn(call, key)) return rpcError(400, undefined, RPC.request, `missing key '${key}'`);
  }
  if (typeof method !== 'string') return rpcError(400, undefined, RPC.request, `'method' must be a string`);
  if (method.length > MAX_METHOD_CHARACTERS) {
    return rpcError(400, undefined, RPC.request, `'method' must have at most ${MAX_METHOD_CHARACTERS} characters`);
  }
  if (id !== null && typeof id !== 'string' && !Number.isInteger(id)) {
    return rpcError(400, undefined, RPC.request, `'id' must be a string, an integer or null`);
  }
  if (typeof id === 'string' && id.length > MAX_ID_CHARACTERS) {
    return rpcError(400, undefined, RPC.request, `'id' must have at most ${MAX_ID_CHARACTERS} characters`);
  }
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    return rpcError(400, undefined, RPC.request, `'params' must be an object`);
  }
  if (jsonrpc !== '2.0') return rpcError(400, undefined, RPC.request, 'only JSONRPC 2.0 is supported');
  return { id: id as RpcId, method, params: params as PostedParams };
}

export function rpcResult(id: RpcId, result: JsonValue): RpcAnswer {
  return { status: 200, body: JSON.stringify({ id, jsonrpc: '2.0', result }) };
}

/** Returns an error answer. For the parameters of `force` `message` is an object with a text per field. */
export function rpcError(
  status: number,
  id: RpcId | undefined,
  code: number,
  message: string | Readonly<Record<string, string>>,
): RpcAnswer {
  return {
    status,
    body: JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), error: { code, message } }),
  };
}
