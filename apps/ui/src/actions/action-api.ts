import { Inject, Injectable } from '@nestjs/common';
import { MillraceError, messageOf, printable } from '@millrace/domain';
import { httpStatusOf, LOG, type Logger } from '@millrace/master';
import type { ApiRequest } from '../http/api-request.js';
import { demand, RIGHTS, type Rights } from '../resources/caller.js';
import { FormRefused } from '../resources/params.js';
import { ResourceTable } from '../resources/resource-table.js';
import { readCall, RPC, rpcError, type RpcAnswer, rpcResult } from './json-rpc.js';

/** JSON-RPC error codes by status. Any other 4xx means that the parameters ask for something that cannot be done. */
const CODES: ReadonlyMap<number, number> = new Map([
  [403, RPC.request],
  [404, RPC.request],
  [500, RPC.internal],
  [503, RPC.internal],
]);

/**
 * The commands of `/api/v2`: it takes a JSON-RPC call, runs an action of the resource table, and returns the answer. Independent of HTTP
 * servers.
 */
@Injectable()
export class ActionApi {
  constructor(
    private readonly table: ResourceTable,
    @Inject(RIGHTS) private readonly rights: Rights,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  async post({ caller, path }: ApiRequest, contentType: string, body: string): Promise<RpcAnswer> {
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
      const status = httpStatusOf(error);
      if (status === 500) this.log.error({ err: error }, `command failed: ${messageOf(error)}`);
      const text = error instanceof MillraceError ? error.message : 'internal error; the log of this master says more';
      const code = CODES.get(status);
      return code === undefined ? rpcError(400, call.id, RPC.params, text) : rpcError(status, call.id, code, text);
    }
  }
}
