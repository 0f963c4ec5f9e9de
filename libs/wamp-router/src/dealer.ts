/** A registered procedure. */
export interface Registration<S> {
  readonly id: number;
  readonly procedure: string;
  readonly callee: S;
}

/** A pending call: the caller's request, waiting for the callee's answer to the invocation. */
export interface Invocation<S> {
  readonly id: number;
  readonly caller: S;
  readonly callRequest: number;
  readonly callee: S;
}

/**
 * Limits of the registrations of one session and of the pending calls of one callee. A callee that never answers must neither collect calls
 * for ever nor hinder other callees.
 */
const MAX_REGISTRATIONS = 10_000;
const MAX_INVOCATIONS = 1_000;

/** Registered procedures and pending calls. Every procedure has one callee. */
export class Dealer<S> {
  private readonly byProcedure = new Map<string, Registration<S>>();
  /** Registrations by callee and id. */
  private readonly registrations = new Map<S, Map<number, Registration<S>>>();
  private readonly invocations = new Map<S, Map<number, Invocation<S>>>();
  private lastId = 0;

  find(procedure: string): Registration<S> | undefined {
    return this.byProcedure.get(procedure);
  }

  /** Registers a procedure. The caller has made sure that nobody else has registered it. Returns undefined when the callee has too many. */
  register(callee: S, procedure: string): Registration<S> | undefined {
    const own = entry(this.registrations, callee);
    if (own.size >= MAX_REGISTRATIONS) return undefined;
    const registration = { id: ++this.lastId, procedure, callee };
    this.byProcedure.set(procedure, registration);
    own.set(registration.id, registration);
    return registration;
  }

  /** Removes a registration. Returns false when the session has no such registration. */
  unregister(callee: S, id: number): boolean {
    const registration = this.registrations.get(callee)?.get(id);
    if (!registration) return false;
    this.registrations.get(callee)!.delete(id);
    this.byProcedure.delete(registration.procedure);
    return true;
  }

  /** Begins a call. Returns undefined when too many calls are pending at that callee. */
  invoke({ callee }: Registration<S>, caller: S, callRequest: number): Invocation<S> | undefined {
    const underWay = entry(this.invocations, callee);
    if (underWay.size >= MAX_INVOCATIONS) return undefined;
    const invocation = { id: ++this.lastId, caller, callRequest, callee };
    underWay.set(invocation.id, invocation);
    return invocation;
  }

  /** Removes and returns the call that this callee answers. Returns undefined when it was cancelled or its caller has left. */
  settle(callee: S, id: number): Invocation<S> | undefined {
    const invocation = this.invocations.get(callee)?.get(id);
    this.invocations.get(callee)?.delete(id);
    return invocation;
  }

  /** Forgets a call; its answer will be dropped. Returns false when no such call is pending. */
  cancel(caller: S, callRequest: number): boolean {
    for (const underWay of this.invocations.values()) {
      for (const { id, ...call } of underWay.values()) {
        if (call.caller === caller && call.callRequest === callRequest) return underWay.delete(id);
      }
    }
    return false;
  }

  /** Forgets everything of a session. Returns the calls of others that it will never answer. */
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
