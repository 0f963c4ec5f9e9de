import { Inject, Injectable } from '@nestjs/common';
import { MillraceError, messageOf, printable, UserError } from '@millrace/domain';
import { httpStatusOf, LOG, type Logger } from '@millrace/master';
import { Access } from '../access/access.js';
import { AuditLog, type Command } from '../access/audit-log.js';
import type { ApiRequest } from '../http/api-request.js';
import { FormRefused, type PostedParams } from '../resources/params.js';
import type { BoundAction } from '../resources/resource.js';
import { type Place, ResourceTable } from '../resources/resource-table.js';
import { Sights } from '../resources/sights.js';
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
    private readonly access: Access,
    private readonly audit: AuditLog,
    private readonly sights: Sights,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  async post({ caller, address, path }: ApiRequest, contentType: string, body: string): Promise<RpcAnswer> {
    const call = readCall(contentType, body);
    if ('status' in call) return call;
    const found = this.table.find(path);
    if (!found) return rpcError(404, call.id, RPC.request, `Invalid path: ${printable(path, 200)}`);
    const sight = this.sights.of(caller);
    const place = await this.table.seen(found, sight);
    const action = place.actions.get(call.method);
    if (!action) return rpcError(501, call.id, RPC.method, `action: ${printable(call.method, 100)} is not supported`);
    try {
      const command = { caller, address, action: call.method, target: path, params: call.params };
      await this.demand(command, place, action);
      const result = await this.audit.run(command, {
        recordsItself: action.recordsItself,
        work: (deed) => action.run(caller, place.args, call.params, deed),
      });
      return rpcResult(call.id, result);
    } catch (error) {
      if (error instanceof FormRefused) return rpcError(400, call.id, RPC.params, error.problems);
      const status = httpStatusOf(error);
      if (status === 500) this.log.error({ err: error }, `command failed: ${messageOf(error)}`);
      const text = textOf(error, status, sight === null ? null : place.resource.name);
      const code = CODES.get(status);
      return code === undefined ? rpcError(400, call.id, RPC.params, text) : rpcError(status, call.id, code, text);
    }
  }

  /** Checks that a caller may do something wherever it takes place. Places are looked up only where a rule asks for one. */
  private async demand(
    command: Command & { readonly params: PostedParams },
    { resource: { name: resource }, args }: Place,
    { permission: action, places }: BoundAction,
  ): Promise<void> {
    const { caller, params } = command;
    if (caller.kind !== 'token' && this.access.mayEverybody(action)) return;
    const found = this.access.asksForPlaces ? await places(caller, args, params) : [];
    try {
      for (const place of found.length > 0 ? found : [{}]) this.access.demand(caller, { action, resource, ...place });
    } catch (error) {
      if (error instanceof UserError) await this.audit.refused(command, error);
      throw error;
    }
  }
}

/**
 * Returns what is said about an error.
 * @param hiding the resource's name, for somebody who does not see all of its rows: what is hidden is told apart from what does not exist by no
 *   text
 */
function textOf(error: unknown, status: number, hiding: string | null): string {
  if (status === 404 && hiding !== null) return `no such ${hiding}`;
  return error instanceof MillraceError ? error.message : 'internal error; the log of this master says more';
}
