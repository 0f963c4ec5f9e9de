import type { Hint, LogChunkResource } from '@millrace/contracts';
import {
  CATALOG_LIMIT,
  type ChangingResource,
  type ControlStore,
  type EndingResource,
  evaluate,
  type GrowingResource,
  type Page,
  type ResourceQuery,
  type ResourceShape,
  type WorkerControlStore,
} from '@millrace/database';
import { type JsonValue, UserError } from '@millrace/domain';
import type { Reads } from '../reads.js';
import type { Caller, Permission } from './caller.js';
import { type ParamsClass, type PostedParams, validated } from './params.js';
import type { ArgumentsOf, PathArgument } from './path-table.js';

/** What resources read, and do their work with. */
export interface ResourcePorts {
  readonly reads: Reads;
  readonly control: ControlStore;
  readonly workerControl: WorkerControlStore;
  /** Tells the other masters of what has been committed (I1). */
  readonly publish: (hint: Hint) => void;
}

type Arguments = readonly PathArgument[];

/** One way to name a row: a path, and how its arguments lead to the row's id. */
export interface Address<Id = number> {
  readonly path: string;
  /** Null: there is no such row. An id is not looked up, so that its row may be missing, too. */
  readonly id: (args: Arguments) => Promise<Id | null>;
}

/** What a GET of one path answers. Each gets the arguments of the path; null is answered 404. */
export type Read =
  | {
      readonly kind: 'list';
      readonly read: (caller: Caller, args: Arguments, query: ResourceQuery) => Promise<Page<object> | null>;
    }
  | {
      readonly kind: 'one';
      /** @param properties names of the properties to fill in */
      readonly read: (caller: Caller, args: Arguments, properties: readonly string[]) => Promise<object | null>;
    }
  | {
      readonly kind: 'lines';
      readonly read: (caller: Caller, args: Arguments, range: LineRange) => Promise<Lines | null>;
    }
  | {
      readonly kind: 'raw';
      readonly inline: boolean;
      readonly read: (caller: Caller, args: Arguments) => Promise<RawText | null>;
    };

/** Lines of a log, counted from 0; a limit of null asks for all of them. */
export interface LineRange {
  readonly offset: number;
  readonly limit: number | null;
}

export interface Lines {
  readonly chunk: LogChunkResource;
  /** What is left of the range where it was cut short. */
  readonly rest: LineRange | null;
}

/** A text that is sent piece by piece, as it is read. */
export interface RawText {
  readonly type: 'text' | 'html';
  /** The name of the file that it is downloaded as. */
  readonly fileName: string;
  readonly pieces: AsyncIterable<string>;
}

export interface ReadPath {
  readonly path: string;
  readonly read: Read;
}

/** Something that can be done to a row: a JSON-RPC method of its paths. */
export interface Action<Id> {
  readonly permission: Permission;
  /** The parameters that it takes; null: none. Others are ignored. */
  readonly params: ParamsClass<object> | null;
  readonly run: (caller: Caller, id: Id, posted: PostedParams) => Promise<JsonValue>;
}

/** An action under one of its row's paths. */
export interface BoundAction {
  readonly permission: Permission;
  readonly run: (caller: Caller, args: Arguments, posted: PostedParams) => Promise<JsonValue>;
}

/** What happens to rows: which hints say so, and what browsers are told under which keys. */
export interface Events<Row = object> {
  /** Topic of the hints: `:id` is the row, `:event` what happened, `*` anything. */
  readonly topic: string;
  /** In the order of a row's life: that is the order in which several are told at once, all with the newest state. */
  readonly names: readonly string[];
  /** Rows by their ids, in no order; more rows are ignored. */
  load(ids: readonly number[]): Promise<Row[]>;
  idOf(row: Row): number;
  keys(row: Row, event: string): string[];
  /** What is told, where that is not the whole row. */
  body?(row: Row): object;
  readonly found: Found;
}

/** As which events the poller tells what no hint told. */
export interface Found {
  /** New rows. A row that may have changed since is told once more as `then`, unless its end was heard. */
  readonly grown?: {
    readonly in: GrowingResource;
    readonly as: string;
    readonly then?: { readonly as: string; readonly unless: string };
  };
  /** Rows that ended, whether or not they ran. */
  readonly ended?: { readonly in: EndingResource; readonly as: string };
  /** Rows that run, or can change at any time. */
  readonly changed?: {
    readonly in: ChangingResource;
    readonly appeared: string;
    readonly changed: string;
    /** The row no longer runs; null where rows do not vanish. */
    readonly vanished: string | null;
  };
}

/** Another resource inside of a field, or a list of them. */
export interface Embedded {
  /** Its name. */
  readonly resource: string;
  readonly isList: boolean;
}

/** One resource of `/api/v2`. */
export interface Resource {
  /** In the singular. */
  readonly name: string;
  readonly shape: ResourceShape;
  /** Field → the resource that it holds. */
  readonly embeds: ReadonlyMap<string, Embedded>;
  /** For reading it, and hearing of it. */
  readonly view: Permission;
  readonly paths: readonly (ReadPath & { readonly actions: ReadonlyMap<string, BoundAction> })[];
  readonly events: Events | null;
}

/** Defines a resource: its fields, all paths that answer with it, what can be done to its rows, and what is told of them. */
export function resource<Row extends object, Id = number, EventRow extends object = Row>(definition: {
  readonly name: string;
  readonly shape: ResourceShape;
  readonly embeds?: { readonly [F in keyof Row & string]?: Embedded };
  /** Its rows one by one; the paths take the actions, too. */
  readonly one?: {
    readonly at: readonly Address<Id>[];
    readonly read: (caller: Caller, id: Id, properties: readonly string[]) => Promise<Row | null>;
  };
  /** All its other paths. */
  readonly reads?: readonly ReadPath[];
  readonly actions?: Readonly<Record<string, Action<Id>>>;
  readonly events?: Events<EventRow>;
}): Resource {
  const { name, shape, embeds = {}, one, reads = [], actions = {}, events = null } = definition;
  const singles = (one?.at ?? []).map((address) => ({
    path: address.path,
    read: oneOf(address, one!.read),
    actions: new Map(Object.entries(actions).map(([method, action]) => [method, bound(name, address, action)])),
  }));
  const others = reads.map((path) => ({ ...path, actions: new Map<string, BoundAction>() }));
  return {
    name,
    shape,
    embeds: new Map(Object.entries<Embedded>(embeds)),
    view: 'view',
    paths: [...singles, ...others],
    events,
  };
}

export function address<P extends string, Id = number>(
  path: P,
  id: (args: ArgumentsOf<P>) => Id | Promise<Id | null>,
): Address<Id> {
  return { path, id: async (args) => id(args as ArgumentsOf<P>) };
}

/** Addresses below others: what the parent's id and the last argument lead to. */
export function addressesBelow<Id, P extends `${string}/${'n' | 's'}:${string}`, Parent>(
  parents: readonly Address<Parent>[],
  path: P,
  id: (parent: Parent, last: ArgumentsOf<P>[0]) => Promise<Id | null>,
): Address<Id>[] {
  return parents.map((parent) => ({
    path: `${parent.path}/${path}`,
    id: async (args) => ifFound(parent.id(args.slice(0, -1)), (found) => id(found, args.at(-1) as ArgumentsOf<P>[0])),
  }));
}

/** A collection. */
export function list<P extends string>(
  path: P,
  read: (caller: Caller, args: ArgumentsOf<P>, query: ResourceQuery) => Promise<Page<object> | null>,
): ReadPath {
  return { path, read: { kind: 'list', read: (caller, args, query) => read(caller, args as ArgumentsOf<P>, query) } };
}

/** A collection that is small enough to be read whole. */
export function smallList<P extends string>(
  path: P,
  rows: (caller: Caller, args: ArgumentsOf<P>) => Promise<readonly object[]>,
): ReadPath {
  return list(path, async (caller, args, query) => evaluate(await rows(caller, args), query, CATALOG_LIMIT));
}

/** A collection below each address of a row. */
export function listBelow<Id>(
  addresses: readonly Address<Id>[],
  path: string,
  read: (caller: Caller, id: Id, query: ResourceQuery) => Promise<Page<object> | null>,
): ReadPath[] {
  return addresses.map(({ path: parent, id }) => ({
    path: `${parent}/${path}`,
    read: { kind: 'list', read: (caller, args, query) => ifFound(id(args), (found) => read(caller, found, query)) },
  }));
}

/** A collection below each address of a row, small enough to be read whole. */
export function smallListBelow<Id>(
  addresses: readonly Address<Id>[],
  path: string,
  rows: (caller: Caller, id: Id) => Promise<readonly object[] | null>,
): ReadPath[] {
  return listBelow(addresses, path, async (caller, id, query) => {
    const found = await rows(caller, id);
    return found && evaluate(found, query, CATALOG_LIMIT);
  });
}

/** A single thing below each address of a row. */
export function oneBelow<Id>(
  addresses: readonly Address<Id>[],
  path: string,
  read: (caller: Caller, id: Id) => Promise<object | null>,
): ReadPath[] {
  return addresses.map((parent) => ({ path: `${parent.path}/${path}`, read: oneOf(parent, read) }));
}

/** An action whose parameters are checked before it runs. */
export function action<Id, P extends object>(definition: {
  readonly permission: Permission;
  readonly params: ParamsClass<P>;
  readonly run: (caller: Caller, id: Id, params: P) => Promise<JsonValue>;
}): Action<Id> {
  const { permission, params, run } = definition;
  return { permission, params, run: async (caller, id, posted) => run(caller, id, validated(params, posted)) };
}

export async function ifFound<Id, T>(id: Promise<Id | null>, then: (id: Id) => Promise<T | null>): Promise<T | null> {
  const found = await id;
  return found === null ? null : then(found);
}

function oneOf<Id>(
  { id }: Address<Id>,
  read: (caller: Caller, id: Id, properties: readonly string[]) => Promise<object | null>,
): Read {
  return {
    kind: 'one',
    read: (caller, args, properties) => ifFound(id(args), (found) => read(caller, found, properties)),
  };
}

function bound<Id>(name: string, { id }: Address<Id>, { permission, run }: Action<Id>): BoundAction {
  return {
    permission,
    run: async (caller, args, posted) => {
      const found = await id(args);
      if (found === null) throw new UserError('not-found', `no such ${name}`);
      return run(caller, found, posted);
    },
  };
}
