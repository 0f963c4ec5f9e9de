import { MillraceError, printable } from '@millrace/domain';
import { statusOf } from '../error-status.js';
import { type Caller, demand, type Rights } from '../resources/caller.js';
import { FormRefused } from '../resources/params.js';
import type { ResourceTable } from '../resources/resource-table.js';
import { readCall, RPC, rpcError, type RpcAnswer, rpcResult } from './json-rpc.js';

const CODES: Readonly<Record<number, number>> = { 400: RPC.params, 403: RPC.request, 404: RPC.request };

/** The commanding half of `/api/v2`: JSON-RPC in, an action of the resource table, an answer out; knows nothing of HTTP servers. */
export class ControlApi {
  constructor(
    private readonly table: ResourceTable,
    private readonly rights: Rights,
    private readonly onUnexpected: (error: unknown) => void,
  ) {}

  /** @param path what follows `/api/v2/`, still percent-encoded */
  async post(caller: Caller, path: string, contentType: string, body: string): Promise<RpcAnswer> {
    const call = readCall(contentType, body);
    if ('status' in call) return call;
    const place = this.table.find(path);
    if (!place) return rpcError(404, call.id, RPC.request, `Invalid path: ${printable(path, 200)}`);
    const action = place.actions.get(call.method);
    if (!action) return rpcError(501, call.id, RPC.method, `action: ${printable(call.method, 100)} is not supported`);
    try {
      demand(this.rights, caller, action.permission);
      return rpcResult(call.id, await action.run(caller, place.args, call.params));
    } catch (error) {
      if (error instanceof FormRefused) return rpcError(400, call.id, RPC.params, error.problems);
      const status = statusOf(error);
      if (status === 500) this.onUnexpected(error);
      const text = error instanceof MillraceError ? error.message : 'internal error; the log of this master says more';
      return rpcError(status, call.id, CODES[status] ?? RPC.internal, text);
    }
  }
}
