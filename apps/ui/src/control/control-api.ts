import { type Hint, hints, PRIORITY_LIMIT } from '@millrace/contracts';
import { ControlStore, type CreatedBuildset } from '@millrace/database';
import { isUuid, type JsonValue, MillraceError, printable, UserError } from '@millrace/domain';
import type { Reads } from '../reads.js';
import { PathTable, type PathArgument } from '../resources/path-table.js';
import { statusOf } from '../rest/rest-api.js';
import { readForm } from '../resources/force-form.js';
import { compiledForceSchedulers } from '../resources/force-schedulers.js';
import { paramOf, readCall, RPC, rpcError, type RpcAnswer, type RpcParams, rpcResult } from './json-rpc.js';

type Methods = Readonly<Record<string, (args: readonly PathArgument[], params: RpcParams) => Promise<JsonValue>>>;

const MAX_REASON = 10_000;
const MAX_BUILDERS = 1_000;

/** Thrown when a form was filled in wrongly; `problems` is field → text. */
class FormRefused extends UserError {
  constructor(readonly problems: Readonly<Record<string, string>>) {
    super('bad-form', Object.values(problems).join('; '), { problems });
  }
}

/** The commanding half of `/api/v2`. Every effect is committed before its hint is published (I1). */
export class ControlApi {
  private readonly table = new PathTable<Methods>();
  private readonly store: ControlStore;

  constructor(
    private readonly reads: Reads,
    private readonly publish: (hint: Hint) => void,
    private readonly onUnexpected: (error: unknown) => void,
  ) {
    this.store = new ControlStore(reads.db);
    const buildMethods = (id: (args: readonly PathArgument[]) => Promise<number>): Methods => ({
      stop: async (args, params) => this.stopBuild(await id(args), params),
      rebuild: async (args) => this.announce(await this.store.rebuild(await id(args))),
    });
    const { builds, catalog, requests } = reads;
    this.table.add(
      'builds/:n',
      buildMethods(async ([id]) => id as number),
    );
    this.table.add(
      'builders/:n/builds/:n',
      buildMethods(async ([builderId, number]) =>
        found(await builds.idOf(builderId as number, number as number), 'build'),
      ),
    );
    this.table.add(
      'builders/:s/builds/:n',
      buildMethods(async ([name, number]) => {
        const builderId = found(await catalog.builderId(String(name)), 'builder');
        return found(await builds.idOf(builderId, number as number), 'build');
      }),
    );
    const requestMethods = (id: (args: readonly PathArgument[]) => Promise<number>): Methods => ({
      cancel: async (args, params) => this.cancel(await id(args), params),
      set_priority: async (args, params) => this.setPriority(await id(args), params),
    });
    this.table.add(
      'buildrequests/:n',
      requestMethods(async ([id]) => id as number),
    );
    this.table.add(
      'buildrequests/:s',
      requestMethods(async ([uuid]) => found(isUuid(uuid) ? await requests.idOf(uuid) : null, 'build request')),
    );
    this.table.add('forceschedulers/:s', { force: ([name], params) => this.force(String(name), params) });
    const workerMethods = (id: (args: readonly PathArgument[]) => Promise<number>): Methods => ({
      pause: (args, params) => this.worker(id(args), (worker) => this.store.pauseWorker(worker, reasonOf(params))),
      unpause: (args) => this.worker(id(args), (worker) => this.store.unpauseWorker(worker)),
      stop: (args, params) => this.worker(id(args), (worker) => this.store.stopWorker(worker, reasonOf(params))),
      kill: (args, params) => this.worker(id(args), (worker) => this.store.killWorker(worker, reasonOf(params))),
    });
    this.table.add(
      'workers/:n',
      workerMethods(async ([id]) => id as number),
    );
    this.table.add(
      'workers/:s',
      workerMethods(async ([name]) => {
        const worker = (await catalog.workers()).find((candidate) => candidate.name === name);
        return found(worker?.workerid ?? null, 'worker');
      }),
    );
    this.table.add('schedulers/:n', { enable: async ([id], params) => this.enableScheduler(id as number, params) });
  }

  /** @param exists whether the path can be read, and so is only without this method */
  async post(path: string, contentType: string, body: string, exists: boolean): Promise<RpcAnswer> {
    const call = readCall(contentType, body);
    if ('status' in call) return call;
    const match = this.table.find(path);
    if (!match && !exists) return rpcError(404, call.id, RPC.request, `Invalid path: ${printable(path, 200)}`);
    const method = match && Object.hasOwn(match.target, call.method) ? match.target[call.method] : undefined;
    if (!match || !method)
      return rpcError(501, call.id, RPC.method, `action: ${printable(call.method, 100)} is not supported`);
    try {
      return rpcResult(call.id, await method(match.args, call.params));
    } catch (error) {
      if (error instanceof FormRefused) return rpcError(400, call.id, RPC.params, error.problems);
      const status = statusOf(error);
      if (status === 500) this.onUnexpected(error);
      const code = status === 400 ? RPC.params : status === 404 ? RPC.request : RPC.internal;
      const text = error instanceof MillraceError ? error.message : 'internal error; the log of this master says more';
      return rpcError(status, call.id, code, text);
    }
  }

  private async force(name: string, params: RpcParams): Promise<JsonValue> {
    const scheduler = (await compiledForceSchedulers(this.reads.catalog)).find((candidate) => candidate.name === name);
    const row = (await this.reads.catalog.schedulers()).find((candidate) => candidate.name === name);
    if (!scheduler || !row) throw new UserError('not-found', `no force scheduler '${name}'`, { name });
    if (!row.enabled) throw new UserError('disabled', `force scheduler '${name}' is disabled`, { name });
    const outcome = readForm(scheduler, params);
    const builders = await this.wantedBuilders(scheduler.builders, params);
    const problems = {
      ...(outcome.ok ? {} : outcome.problems),
      ...('problem' in builders ? { builderid: builders.problem } : {}),
    };
    if (!outcome.ok || 'problem' in builders) throw new FormRefused(problems);
    const created = await this.store.force({
      ...outcome.order,
      schedulerId: row.schedulerid,
      schedulerName: name,
      builderIds: builders.ids,
    });
    return this.announce(created);
  }

  /** `builderid` or `builderNames`, or neither for all of the scheduler's. */
  private async wantedBuilders(
    allowed: readonly string[],
    params: RpcParams,
  ): Promise<{ ids: number[] } | { problem: string }> {
    const builders = (await this.reads.catalog.builders()).filter((builder) => allowed.includes(builder.name));
    const theirs = allowed.join(', ');
    const asked = paramOf(params, 'builderid') ?? null;
    if (asked !== null) {
      if (
        !(typeof asked === 'number' && Number.isSafeInteger(asked)) &&
        !(typeof asked === 'string' && /^\d{1,16}$/.test(asked))
      )
        return { problem: `builderid is ${shown(asked)}: expected the number of a builder` };
      const wanted = builders.find((builder) => String(builder.builderid) === String(asked));
      return wanted
        ? { ids: [wanted.builderid] }
        : { problem: `builder ${asked} is not one of this scheduler's: ${theirs}` };
    }
    const names = paramOf(params, 'builderNames') ?? null;
    if (names === null) {
      const ids = builders.map((builder) => builder.builderid);
      return ids.length > 0 ? { ids } : { problem: `none of this scheduler's builders is known: ${theirs}` };
    }
    if (!isTexts(names) || names.length === 0 || names.length > MAX_BUILDERS)
      return { problem: `builderNames is ${shown(names)}: expected a list of 1 to ${MAX_BUILDERS} names` };
    const byName = new Map(builders.map((builder) => [builder.name, builder.builderid]));
    const stranger = names.find((name) => !byName.has(name));
    return stranger === undefined
      ? { ids: [...new Set(names)].map((name) => byName.get(name)!) }
      : { problem: `builder '${printable(stranger, 100)}' is not one of this scheduler's: ${theirs}` };
  }

  private announce(created: CreatedBuildset): JsonValue {
    for (const request of created.requests) {
      this.publish(hints.request(request.requestId, request.builderId, 'new'));
      this.publish(hints.queued(request.builderId));
    }
    this.publish(hints.buildset(created.buildsetId, 'new'));
    return [
      created.buildsetId,
      Object.fromEntries(created.requests.map((request) => [String(request.builderId), request.requestId])),
    ];
  }

  private async stopBuild(buildId: number, params: RpcParams): Promise<null> {
    const stopping = await this.store.stopBuild(buildId, reasonOf(params) ?? 'no reason');
    if (stopping) this.publish(hints.command(stopping.masterId));
    return null;
  }

  private async cancel(requestId: number, params: RpcParams): Promise<null> {
    const cancelled = await this.store.cancelRequest(requestId, reasonOf(params) ?? 'no reason');
    if (cancelled.outcome === 'stopping') this.publish(hints.command(cancelled.masterId));
    if (cancelled.outcome === 'cancelled') {
      this.publish(hints.request(requestId, cancelled.builderId, 'complete'));
      if (cancelled.completedBuildsetId !== null)
        this.publish(hints.buildset(cancelled.completedBuildsetId, 'complete'));
    }
    return null;
  }

  private async setPriority(requestId: number, params: RpcParams): Promise<null> {
    const priority = paramOf(params, 'priority');
    if (typeof priority !== 'number' || !Number.isSafeInteger(priority) || Math.abs(priority) > PRIORITY_LIMIT) {
      throw new UserError(
        'bad-priority',
        `priority is ${shown(priority)}: expected a whole number from -${PRIORITY_LIMIT} to ${PRIORITY_LIMIT}`,
        { field: 'priority' },
      );
    }
    if (await this.store.setPriority(requestId, priority)) {
      const request = await this.reads.requests.one(requestId, []);
      // Still unclaimed, and engines look at the queue's order again.
      if (request) {
        this.publish(hints.request(requestId, request.builderid, 'unclaimed'));
        this.publish(hints.queued(request.builderid));
      }
    }
    return null;
  }

  /** What is wanted of a worker is state of its row, which its engine reads, whichever that is by then. */
  private async worker(id: Promise<number>, change: (workerId: number) => Promise<void>): Promise<null> {
    const workerId = await id;
    await change(workerId);
    this.publish(hints.worker(workerId, 'state_updated'));
    return null;
  }

  private async enableScheduler(schedulerId: number, params: RpcParams): Promise<null> {
    const enabled = paramOf(params, 'enabled');
    if (typeof enabled !== 'boolean') {
      throw new UserError('bad-enabled', `enabled is ${shown(enabled)}: expected true or false`, { field: 'enabled' });
    }
    await this.store.enableScheduler(schedulerId, enabled);
    this.publish(hints.scheduler(schedulerId));
    return null;
  }
}

/** @throws UserError `bad-reason` */
function reasonOf(params: RpcParams): string | null {
  const reason = paramOf(params, 'reason') ?? '';
  if (typeof reason === 'string' && reason.length <= MAX_REASON) return reason === '' ? null : reason;
  throw new UserError('bad-reason', `reason is ${shown(reason)}: expected a text of at most ${MAX_REASON} characters`, {
    field: 'reason',
  });
}

/** What was posted, for a message. */
function shown(value: JsonValue | undefined): string {
  return value === undefined ? 'missing' : printable(JSON.stringify(value), 100);
}

function isTexts(value: JsonValue): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function found(id: number | null, what: string): number {
  if (id === null) throw new UserError('not-found', `no such ${what}`);
  return id;
}
