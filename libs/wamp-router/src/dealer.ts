/** What the dealer remembers of a registered procedure. */
export interface Registration<S> {
  readonly id: number;
  readonly procedure: string;
  readonly callee: S;
}

/** A call on its way: the caller's request, waiting for the callee's answer to the invocation. */
export interface Invocation<S> {
  readonly id: number;
  readonly caller: S;
  readonly callRequest: number;
  readonly callee: S;
}

/** Registrations of one session, and calls under way at one callee: one that never answers must not let them pile up for ever, nor be in the way of others. */
const MAX_REGISTRATIONS = 10_000;
const MAX_INVOCATIONS = 1_000;

/** Procedures and calls under way; every procedure has one callee. */
export class Dealer<S> {
  private readonly byProcedure = new Map<string, Registration<S>>();
  /** By callee and id. */
  private readonly registrations = new Map<S, Map<number, Registration<S>>>();
  private readonly invocations = new Map<S, Map<number, Invocation<S>>>();
  private lastId = 0;

  find(procedure: string): Registration<S> | undefined {
    return this.byProcedure.get(procedure);
  }

  /** The caller has made sure that nobody holds the procedure. Undefined when the callee has too many. */
  register(callee: S, procedure: string): Registration<S> | undefined {
    const own = entry(this.registrations, callee);
    if (own.size >= MAX_REGISTRATIONS) return undefined;
    const registration = { id: ++this.lastId, procedure, callee };
    this.byProcedure.set(procedure, registration);
    own.set(registration.id, registration);
    return registration;
  }

  /** False when the session holds no such registration. */
  unregister(callee: S, id: number): boolean {
    const registration = this.registrations.get(callee)?.get(id);
    if (!registration) return false;
    this.registrations.get(callee)!.delete(id);
    this.byProcedure.delete(registration.procedure);
    return true;
  }

  /** Undefined when too many calls are under way at that callee. */
  invoke({ callee }: Registration<S>, caller: S, callRequest: number): Invocation<S> | undefined {
    const underWay = entry(this.invocations, callee);
    if (underWay.size >= MAX_INVOCATIONS) return undefined;
    const invocation = { id: ++this.lastId, caller, callRequest, callee };
    underWay.set(invocation.id, invocation);
    return invocation;
  }

  /** Takes the invocation that this callee answers; undefined when it was cancelled or its caller is gone. */
  settle(callee: S, id: number): Invocation<S> | undefined {
    const invocation = this.invocations.get(callee)?.get(id);
    this.invocations.get(callee)?.delete(id);
    return invocation;
  }

  /** Forgets the call; its answer will be dropped. False when it is not under way. */
  cancel(caller: S, callRequest: number): boolean {
    for (const underWay of this.invocations.values()) {
      for (const { id, ...call } of underWay.values()) {
        if (call.caller === caller && call.callRequest === callRequest) return underWay.delete(id);
      }
    }
    return false;
  }

  /** Forgets everything of a session and returns the invocations of others that it will never answer. */
  removeSession(session: S): Invocation<S>[] {
    for (const { procedure } of this.registrations.get(session)?.values() ?? []) this.byProcedure.delete(procedure);
    this.registrations.delete(session);
    const orphans = [...(this.invocations.get(session)?.values() ?? [])].filter(({ caller }) => caller !== session);
    this.invocations.delete(session);
    for (const underWay of this.invocations.values()) {
      for (const { id, caller } of underWay.values()) if (caller === session) underWay.delete(id);
    }
    return orphans;
  }
}

function entry<S, V>(maps: Map<S, Map<number, V>>, key: S): Map<number, V> {
  let map = maps.get(key);
  if (!map) maps.set(key, (map = new Map<number, V>()));
  return map;
}
