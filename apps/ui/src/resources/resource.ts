import type { Hint, LogChunkResource } from '@millrace/contracts';
import {
  CATALOG_LIMIT,
  type ChangingResource,
  type BuildActionStore,
  type EndingResource,
  type GrowingResource,
  type HookDeliveryStore,
  type RevertStore,
  type Page,
  type RecordedDeed,
  type ResourceQuery,
  type ResourceShape,
  type WorkerActionStore,
} from '@millrace/database';
import { type JsonValue, type Sight, UserError } from '@millrace/domain';
import type { Reads } from '../reads.js';
import type { Caller, Permission, Place } from './caller.js';
import { type ParamsClass, type PostedParams, validated } from './params.js';
import type { ArgumentsOf, PathArgument } from './path-table.js';
import type { Seen } from './seen.js';

/** The services that resources use. */
export interface ResourcePorts {
  readonly reads: Reads;
  readonly actions: BuildActionStore;
  readonly workerActions: WorkerActionStore;
  readonly deliveries: HookDeliveryStore;
  readonly reverts: RevertStore;
  /** Returns what a caller sees; null for everything. */
  readonly sightOf: (caller: Caller) => Sight | null;
  /** Tells the other masters about a commit (I1). */
  readonly publish: (hint: Hint) => void;
}

type Arguments = readonly PathArgument[];

/** One address of a row: a path, and how its arguments lead to the row's id. */
export interface Address<Id = number> {
  readonly path: string;
  /** Returns the row's id; null when there is no such row. An id in the path is not looked up, so its row may still be missing. */
  readonly id: (args: Arguments) => Promise<Id | null>;
}

/**
 * The answer to a GET of one path. Each read gets the arguments of the path, of which those are replaced that somebody does not see; null is
 * answered 404.
 */
export type Read =
  | {
      readonly kind: 'list';
      /** Returns a page of those rows that the query's sight sees. */
      readonly read: (args: Arguments, query: ResourceQuery) => Promise<Page<object> | null>;
    }
  | {
      /** A collection that is read completely, and filtered and sorted in memory. */
      readonly kind: 'rows';
      readonly limits: { readonly default: number; readonly cap: number };
      readonly read: (args: Arguments, query: ResourceQuery) => Promise<readonly object[] | null>;
    }
  | {
      readonly kind: 'one';
      /** @param properties names of the properties to fill in */
      readonly read: (args: Arguments, properties: readonly string[]) => Promise<object | null>;
    }
  | {
      readonly kind: 'lines';
      readonly read: (args: Arguments, range: LineRange) => Promise<Lines | null>;
    }
  | {
      readonly kind: 'raw';
      readonly inline: boolean;
      readonly read: (args: Arguments) => Promise<RawText | null>;
    };

/** Lines of a log, counted from 0. A null limit asks for all of them. */
export interface LineRange {
  readonly offset: number;
  readonly limit: number | null;
}

export interface Lines {
  readonly chunk: LogChunkResource;
  /** The rest of the range when the answer was cut short. */
  readonly rest: LineRange | null;
}

/** A text, or bytes, sent piece by piece while it is read. */
export interface RawText {
  readonly type: 'text' | 'html' | 'bytes';
  /** File name for downloading. */
  readonly fileName: string;
  readonly pieces: AsyncIterable<string | Uint8Array>;
  /** A word that changes with the content; missing while that is not known. */
  readonly version?: string;
}

export interface ReadPath {
  readonly path: string;
  readonly read: Read;
}

/** Something that can be done to a row: a JSON-RPC method of its paths. */
export interface Action<Id> {
  readonly permission: Permission;
  /** Class of the parameters; null for none. Unknown ones are ignored. */
  readonly params: ParamsClass<object> | null;
  readonly run: (caller: Caller, id: Id, posted: PostedParams, deed: RecordedDeed) => Promise<JsonValue>;
  /** Set where `run` records what is done, in the transaction that does it. Others are recorded before they run and after. */
  readonly recordsItself?: boolean;
}

/** An action, bound to the row of a path. */
export interface BoundAction {
  readonly permission: Permission;
  readonly recordsItself: boolean;
  /** Returns where the action takes place. All of it has to be allowed. */
  readonly places: (caller: Caller, args: Arguments, posted: PostedParams) => Promise<readonly Place[]>;
  readonly run: (caller: Caller, args: Arguments, posted: PostedParams, deed: RecordedDeed) => Promise<JsonValue>;
}

/** Events of rows: which hints report them, and which messages browsers get under which keys. */
export interface Events<Row extends object = object> {
  /** Topic of the hints: `:id` is the row, `:event` the event, `*` anything. */
  readonly topic: string;
  /** Names of the events in the order of a row's life. Several at once are reported in this order, all with the newest state. */
  readonly names: readonly string[];
  /** Loads rows by their ids, in any order. Further rows are ignored. */
  load(ids: readonly number[]): Promise<Row[]>;
  idOf(row: Row): number;
  keys(row: Row, event: string): string[];
  /**
   * Returns the message, when it is not the whole row.
   * @param cause the row whose event entails this one; null when none does
   */
  body?(row: Row, event: string, cause: number | null): object;
  /** Who sees these rows, when they are not the resource's. */
  readonly seen?: Seen<Row>;
  readonly found: Found;
  /** Events of other rows that come with a row's event: theirs need no hint. `cause` is for their messages. */
  readonly entails?: readonly {
    readonly event: string;
    readonly rows: (ids: readonly number[]) => Promise<readonly { readonly id: number; readonly cause?: number }[]>;
    readonly resource: string;
    readonly as: string;
  }[];
}

/** The events under which the poller reports changes without hints. */
export interface Found {
  /** New rows. A row that may have changed since it was made is reported once more as `then`, unless its end was hinted at. */
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
    /** Event of a row that no longer runs; null when rows do not vanish. */
    readonly vanished: string | null;
  };
}

/** Another resource, or a list of them, in a field. */
export interface Embedded {
  /** The resource's name. */
  readonly resource: string;
  readonly isList: boolean;
}

/** One resource of `/api/v2`. */
export interface Resource {
  /** In the singular. */
  readonly name: string;
  readonly shape: ResourceShape;
  /** Embedded resources by field. */
  readonly embeds: ReadonlyMap<string, Embedded>;
  /** Permission for reading the resource and receiving its events. */
  readonly view: Permission;
  readonly paths: readonly (ReadPath & { readonly actions: ReadonlyMap<string, BoundAction> })[];
  readonly events: (Events & { readonly seen: Seen<object> }) | null;
  /** Who sees its rows. */
  readonly seen: Seen<object>;
}

/** Defines a resource: its fields, all paths that return it, the actions on its rows, and its events. */
export function resource<Row extends object, Id = number, EventRow extends object = Row>(definition: {
  readonly name: string;
  readonly shape: ResourceShape;
  /** Permission for reading it, `view` unless it needs another one. */
  readonly view?: Permission;
  readonly embeds?: { readonly [F in keyof Row & string]?: Embedded };
  /** Who sees its rows. */
  readonly seen: Seen<Row>;
  /** Reads of single rows. Their paths take the actions, too. */
  readonly one?: {
    readonly at: readonly Address<Id>[];
    readonly read: (id: Id, properties: readonly string[]) => Promise<Row | null>;
  };
  /** All other paths. */
  readonly reads?: readonly ReadPath[];
  readonly actions?: Readonly<Record<string, Action<Id>>>;
  /** Returns where an action on a row takes place, for rules that ask. */
  readonly places?: (id: Id, posted: PostedParams, caller: Caller) => Promise<readonly Place[]>;
  readonly events?: Events<EventRow>;
}): Resource {
  const {
    name,
    shape,
    view = 'view',
    embeds = {},
    seen,
    one,
    reads = [],
    actions = {},
    places = nowhere,
    events = null,
  } = definition;
  const singles = (one?.at ?? []).map((address) => ({
    path: address.path,
    read: oneOf(address, one!.read),
    actions: new Map(
      Object.entries(actions).map(([method, action]) => [method, bound({ name, address, action, places })]),
    ),
  }));
  const others = reads.map((path) => ({ ...path, actions: new Map<string, BoundAction>() }));
  return {
    name,
    shape,
    embeds: new Map(Object.entries<Embedded>(embeds)),
    view,
    paths: [...singles, ...others],
    seen: seen as Seen<object>,
    events: events && ({ ...events, seen: events.seen ?? seen } as Resource['events']),
  };
}

export function address<P extends string, Id = number>(
  path: P,
  id: (args: ArgumentsOf<P>) => Id | Promise<Id | null>,
): Address<Id> {
  return { path, id: async (args) => id(args as ArgumentsOf<P>) };
}

/** Returns the addresses below others: the parent's id and the last argument lead to the row. */
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

/** Defines a path that returns a page of a collection. */
export function list<P extends string>(
  path: P,
  read: (args: ArgumentsOf<P>, query: ResourceQuery) => Promise<Page<object> | null>,
): ReadPath {
  return { path, read: { kind: 'list', read: (args, query) => read(args as ArgumentsOf<P>, query) } };
}

/** Defines a path that returns one row, besides the addresses that take actions. */
export function single<P extends string>(path: P, read: (args: ArgumentsOf<P>) => Promise<object | null>): ReadPath {
  return { path, read: { kind: 'one', read: (args) => read(args as ArgumentsOf<P>) } };
}

/** Defines a path that returns a collection which is small enough to be read completely. */
export function smallList<P extends string>(
  path: P,
  rows: (args: ArgumentsOf<P>, query: ResourceQuery) => Promise<readonly object[]>,
  limits: { readonly default: number; readonly cap: number } = CATALOG_LIMIT,
): ReadPath {
  return { path, read: { kind: 'rows', limits, read: (args, query) => rows(args as ArgumentsOf<P>, query) } };
}

/** Defines a collection below each address of a row, small enough to be read completely. */
export function smallListBelow<Id>(
  addresses: readonly Address<Id>[],
  path: string,
  rows: (id: Id) => Promise<readonly object[] | null>,
  limits: { readonly default: number; readonly cap: number } = CATALOG_LIMIT,
): ReadPath[] {
  return addresses.map(({ path: parent, id }) => ({
    path: `${parent}/${path}`,
    read: { kind: 'rows', limits, read: (args) => ifFound(id(args), rows) },
  }));
}

/** Defines a page of a collection below each address of a row. */
export function listBelow<Id>(
  addresses: readonly Address<Id>[],
  path: string,
  read: (id: Id, query: ResourceQuery) => Promise<Page<object> | null>,
): ReadPath[] {
  return addresses.map(({ path: parent, id }) => ({
    path: `${parent}/${path}`,
    read: { kind: 'list', read: (args, query) => ifFound(id(args), (found) => read(found, query)) },
  }));
}

/** Defines a single resource below each address of a row. */
export function oneBelow<Id>(
  addresses: readonly Address<Id>[],
  path: string,
  read: (id: Id) => Promise<object | null>,
): ReadPath[] {
  return addresses.map((parent) => ({ path: `${parent.path}/${path}`, read: oneOf(parent, read) }));
}

/** Defines an action. Its parameters are checked before it runs. */
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

function oneOf<Id>({ id }: Address<Id>, read: (id: Id, properties: readonly string[]) => Promise<object | null>): Read {
  return {
    kind: 'one',
    read: (args, properties) => ifFound(id(args), (found) => read(found, properties)),
  };
}

async function nowhere(): Promise<readonly Place[]> {
  return [];
}

function bound<Id>({
  name,
  address: { id },
  action: { permission, run, recordsItself = false },
  places,
}: {
  readonly name: string;
  readonly address: Address<Id>;
  readonly action: Action<Id>;
  readonly places: (id: Id, posted: PostedParams, caller: Caller) => Promise<readonly Place[]>;
}): BoundAction {
  const existing = async (args: Arguments): Promise<Id> => {
    const found = await id(args);
    if (found === null) throw new UserError('not-found', `no such ${name}`);
    return found;
  };
  return {
    permission,
    recordsItself,
    places: async (caller, args, posted) => places(await existing(args), posted, caller),
    run: async (caller, args, posted, deed) => run(caller, await existing(args), posted, deed),
  };
}
