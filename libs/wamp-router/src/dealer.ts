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

/** Calls under way in the whole router; a callee that never answers must not let them pile up for ever. */
const MAX_INVOCATIONS = 10_000;

/** Procedures and calls under way; every procedure has one callee. */
export class Dealer<S> {
  private readonly byProcedure = new Map<string, Registration<S>>();
  private readonly byId = new Map<number, Registration<S>>();
  private readonly invocations = new Map<number, Invocation<S>>();
  private lastId = 0;

  find(procedure: string): Registration<S> | undefined {
    return this.byProcedure.get(procedure);
  }

  /** The caller has made sure that nobody holds the procedure. */
  register(callee: S, procedure: string): Registration<S> {
    const registration = { id: ++this.lastId, procedure, callee };
    this.byProcedure.set(procedure, registration);
    this.byId.set(registration.id, registration);
    return registration;
  }

  /** False when the session holds no such registration. */
  unregister(callee: S, id: number): boolean {
    const registration = this.byId.get(id);
    if (registration?.callee !== callee) return false;
    this.byId.delete(id);
    this.byProcedure.delete(registration.procedure);
    return true;
  }

  /** Undefined when too many calls are under way. */
  invoke(registration: Registration<S>, caller: S, callRequest: number): Invocation<S> | undefined {
    if (this.invocations.size >= MAX_INVOCATIONS) return undefined;
    const invocation = { id: ++this.lastId, caller, callRequest, callee: registration.callee };
    this.invocations.set(invocation.id, invocation);
    return invocation;
  }

  /** Takes the invocation that this callee answers; undefined when it was cancelled or its caller is gone. */
  settle(callee: S, id: number): Invocation<S> | undefined {
    const invocation = this.invocations.get(id);
    if (invocation?.callee !== callee) return undefined;
    this.invocations.delete(id);
    return invocation;
  }

  /** Forgets the call; its answer will be dropped. False when it is not under way. */
  cancel(caller: S, callRequest: number): boolean {
    for (const invocation of this.invocations.values()) {
      if (invocation.caller === caller && invocation.callRequest === callRequest) {
        return this.invocations.delete(invocation.id);
      }
    }
    return false;
  }

  /** Forgets everything of a session and returns the invocations of others that it will never answer. */
  removeSession(session: S): Invocation<S>[] {
    for (const registration of [...this.byId.values()]) {
      if (registration.callee === session) this.unregister(session, registration.id);
    }
    const orphans: Invocation<S>[] = [];
    for (const invocation of [...this.invocations.values()]) {
      if (invocation.callee !== session && invocation.caller !== session) continue;
      this.invocations.delete(invocation.id);
      if (invocation.caller !== session) orphans.push(invocation);
    }
    return orphans;
  }
}
