import { randomInt } from 'node:crypto';
import { admit, type AuthenticationOptions, roleByTicket } from './authentication.js';
import { Dealer } from './dealer.js';
import { type ClientMessage, Code, type Dict, type Hello, type Payload, ProtocolViolation } from './messages.js';
import { type Action, isAllowed, type Roles } from './permissions.js';
import { type Match, type Subscription, SubscriptionIndex } from './subscription-index.js';

/** A client's connection as the realm sees it. Neither method throws or calls back into the realm. */
export interface Outlet {
  send(frame: Buffer): void;
  /** Closes the connection after everything that was sent before has gone out. */
  close(): void;
}

export interface RealmOptions extends AuthenticationOptions {
  readonly name: string;
  readonly roles: Roles;
}

export interface RealmStats {
  published: number;
  delivered: number;
  /** Number of publications, subscriptions, calls and registrations refused for lack of permission, and of wrong tickets. */
  denied: number;
}

const UNAVAILABLE = 'wamp.error.unavailable';

const FEATURES = {
  broker: { features: { publisher_exclusion: true, pattern_based_subscription: true } },
  dealer: { features: { registration_revocation: true, call_canceling: true } },
};

type SessionState =
  | { readonly kind: 'new' }
  | { readonly kind: 'challenged'; readonly authId: string }
  | { readonly kind: 'joined'; readonly role: string }
  | { readonly kind: 'closed' };

/** One client's session, from its HELLO to its GOODBYE. */
export class Session {
  state: SessionState = { kind: 'new' };
  /** The client understands an UNREGISTERED that it did not request. */
  takesRevocation = false;

  constructor(private readonly outlet: Outlet) {}

  get isJoined(): boolean {
    return this.state.kind === 'joined';
  }

  send(message: readonly unknown[]): void {
    this.outlet.send(Buffer.from(JSON.stringify(message)));
  }

  sendFrame(frame: Buffer): void {
    this.outlet.send(frame);
  }

  end(message: readonly unknown[]): void {
    if (this.state.kind === 'closed') return;
    this.send(message);
    this.hangUp();
  }

  /**
   * Closes the connection without a message. A session that has ended must not keep its connection: nothing would ever be answered on it.
   */
  hangUp(): void {
    this.state = { kind: 'closed' };
    this.outlet.close();
  }
}

/** The broker and dealer of one realm: it handles every message of every session. It has no sockets and no timers. */
export class Realm {
  readonly stats: RealmStats = { published: 0, delivered: 0, denied: 0 };
  private readonly subscriptions = new SubscriptionIndex<Session>();
  private readonly dealer = new Dealer<Session>();
  private readonly joined = new Set<Session>();

  constructor(private readonly options: RealmOptions) {}

  /** Number of sessions that have been welcomed and have not left. */
  get size(): number {
    return this.joined.size;
  }

  /**
   * Handles a message.
   * @throws ProtocolViolation when the message may not come in this state; the caller aborts the session
   */
  handle(session: Session, message: ClientMessage): void {
    const { state } = session;
    if (state.kind === 'closed') return;
    if (message.code === Code.ABORT) {
      session.hangUp();
      return this.leave(session);
    }
    if (message.code === Code.HELLO && state.kind === 'new') return this.hello(session, message.realm, message);
    if (message.code === Code.AUTHENTICATE && state.kind === 'challenged') {
      return this.authenticate(session, state.authId, message.signature);
    }
    if (state.kind !== 'joined') throw new ProtocolViolation('join the realm first');
    this.handleJoined(session, state.role, message);
  }

  /** Sends ABORT to a session that broke the protocol. */
  abort(session: Session, violation: string): void {
    session.end([Code.ABORT, { message: violation }, 'wamp.error.protocol_violation']);
    this.leave(session);
  }

  /** Removes a session, however it ended. Callers that wait for its answers get an error. Idempotent. */
  leave(session: Session): void {
    session.state = { kind: 'closed' };
    if (!this.joined.delete(session)) return;
    this.subscriptions.removeSession(session);
    for (const { caller, callRequest } of this.dealer.removeSession(session)) {
      caller.send([Code.ERROR, Code.CALL, callRequest, {}, 'wamp.error.canceled', ['the callee has left']]);
    }
  }

  /** Sends GOODBYE to everybody, because the router ends. */
  shutDown(): void {
    for (const session of [...this.joined]) {
      session.end([Code.GOODBYE, {}, 'wamp.close.system_shutdown']);
      this.leave(session);
    }
  }

  private hello(session: Session, realm: string, hello: Hello): void {
    if (realm !== this.options.name) return refuse(session, 'wamp.error.no_such_realm', `there is no realm '${realm}'`);
    session.takesRevocation = hello.takesRevocation;
    const admission = admit(hello, this.options);
    switch (admission.kind) {
      case 'welcome':
        return this.welcome(session, admission.role, { authid: 'anonymous', authmethod: 'anonymous' });
      case 'challenge':
        session.state = { kind: 'challenged', authId: admission.authId };
        return session.send([Code.CHALLENGE, 'ticket', {}]);
      case 'refuse':
        return refuse(session, admission.reason, admission.message);
    }
  }

  private authenticate(session: Session, authId: string, ticket: string): void {
    const role = roleByTicket(authId, ticket, this.options);
    if (role !== undefined) return this.welcome(session, role, { authid: authId, authmethod: 'ticket' });
    this.stats.denied++;
    refuse(session, 'wamp.error.not_authorized', 'the authid or its ticket is wrong');
  }

  private welcome(session: Session, role: string, identity: Dict): void {
    session.state = { kind: 'joined', role };
    this.joined.add(session);
    const details = { realm: this.options.name, authrole: role, authprovider: 'static', ...identity, roles: FEATURES };
    session.send([Code.WELCOME, globalId(), details]);
  }

  private handleJoined(session: Session, role: string, message: ClientMessage): void {
    switch (message.code) {
      case Code.GOODBYE:
        session.end([Code.GOODBYE, {}, 'wamp.close.goodbye_and_out']);
        return this.leave(session);
      case Code.PUBLISH:
        return this.publish(session, role, message);
      case Code.SUBSCRIBE:
        return this.subscribe(session, role, message);
      case Code.UNSUBSCRIBE: {
        const { code, request, subscription } = message;
        if (!this.subscriptions.remove(session, subscription)) {
          return sendError(session, code, request, 'wamp.error.no_such_subscription');
        }
        return session.send([Code.UNSUBSCRIBED, request]);
      }
      case Code.REGISTER:
        return this.register(session, role, message);
      case Code.UNREGISTER: {
        const { code, request, registration } = message;
        if (!this.dealer.unregister(session, registration)) {
          return sendError(session, code, request, 'wamp.error.no_such_registration');
        }
        return session.send([Code.UNREGISTERED, request]);
      }
      case Code.CALL:
        return this.call(session, role, message);
      case Code.CANCEL:
        if (this.dealer.cancel(session, message.request)) {
          sendError(session, Code.CALL, message.request, 'wamp.error.canceled');
        }
        return;
      case Code.YIELD: {
        const invocation = this.dealer.settle(session, message.request);
        return invocation?.caller.send([Code.RESULT, invocation.callRequest, {}, ...message.payload]);
      }
      case Code.ERROR: {
        const invocation = this.dealer.settle(session, message.request);
        return (
          invocation && sendError(invocation.caller, Code.CALL, invocation.callRequest, message.error, message.payload)
        );
      }
      default:
        throw new ProtocolViolation('the session has joined already');
    }
  }

  private publish(session: Session, role: string, message: ClientMessage & { code: typeof Code.PUBLISH }): void {
    const { code, request, topic, acknowledge, excludeMe, payload } = message;
    const refusal = this.refusal(role, 'publish', topic);
    // A publisher that requested no acknowledgement gets no error either.
    if (refusal) return acknowledge ? sendError(session, code, request, refusal) : undefined;
    const publication = globalId();
    this.stats.published++;
    for (const subscription of this.subscriptions.matching(topic)) {
      this.deliver(subscription, publication, topic, payload, excludeMe ? session : undefined);
    }
    if (acknowledge) session.send([Code.PUBLISHED, request, publication]);
  }

  /** Sends an event to all sessions of a subscription. It is encoded once, and all their queues share the bytes. */
  private deliver(
    subscription: Subscription<Session>,
    publication: number,
    topic: string,
    payload: Payload,
    excluded: Session | undefined,
  ): void {
    if (excluded && subscription.sessions.size === 1 && subscription.sessions.has(excluded)) return;
    const details = subscription.match === 'exact' ? {} : { topic };
    const frame = Buffer.from(JSON.stringify([Code.EVENT, subscription.id, publication, details, ...payload]));
    for (const session of subscription.sessions) {
      if (session === excluded) continue;
      session.sendFrame(frame);
      this.stats.delivered++;
    }
  }

  private subscribe(session: Session, role: string, message: ClientMessage & { code: typeof Code.SUBSCRIBE }): void {
    const { code, request, topic, match } = message;
    if (!isMatch(match))
      return sendError(session, code, request, 'wamp.error.option_not_allowed', [[`match: ${match}`]]);
    const refusal = this.refusal(role, 'subscribe', topic);
    if (refusal) return sendError(session, code, request, refusal);
    const subscription = this.subscriptions.add(session, match, topic);
    if (!subscription) return sendError(session, code, request, UNAVAILABLE, [['too many subscriptions']]);
    session.send([Code.SUBSCRIBED, request, subscription.id]);
  }

  private register(session: Session, role: string, message: ClientMessage & { code: typeof Code.REGISTER }): void {
    const { code, request, procedure, match, invoke, forceReregister } = message;
    if (match !== 'exact' || invoke !== 'single') {
      return sendError(session, code, request, 'wamp.error.option_not_allowed', [
        [`match: ${match}, invoke: ${invoke}`],
      ]);
    }
    if (procedure === '' || procedure.endsWith('.')) return sendError(session, code, request, 'wamp.error.invalid_uri');
    const refusal = this.refusal(role, 'register', procedure);
    if (refusal) return sendError(session, code, request, refusal);
    const held = this.dealer.find(procedure);
    if (held && !forceReregister) return sendError(session, code, request, 'wamp.error.procedure_already_exists');
    if (held) {
      this.dealer.unregister(held.callee, held.id);
      const revocation = { registration: held.id, reason: 'wamp.registration.revoked' };
      if (held.callee.takesRevocation) held.callee.send([Code.UNREGISTERED, 0, revocation]);
    }
    const registration = this.dealer.register(session, procedure);
    if (!registration) return sendError(session, code, request, UNAVAILABLE, [['too many registrations']]);
    session.send([Code.REGISTERED, request, registration.id]);
  }

  private call(session: Session, role: string, message: ClientMessage & { code: typeof Code.CALL }): void {
    const { code, request, procedure, payload } = message;
    const refusal = this.refusal(role, 'call', procedure);
    if (refusal) return sendError(session, code, request, refusal);
    const registration = this.dealer.find(procedure);
    if (!registration) return sendError(session, code, request, 'wamp.error.no_such_procedure', [[procedure]]);
    const invocation = this.dealer.invoke(registration, session, request);
    if (!invocation) return sendError(session, code, request, UNAVAILABLE, [['too many calls are under way']]);
    registration.callee.send([Code.INVOCATION, invocation.id, registration.id, {}, ...payload]);
  }

  /** Returns the error for a forbidden action, or undefined for an allowed one. URIs that begin with `wamp.` belong to the router. */
  private refusal(role: string, action: Action, uri: string): string | undefined {
    const reserved = uri.startsWith('wamp.') && (action === 'publish' || action === 'register');
    if (reserved) return 'wamp.error.invalid_uri';
    if (isAllowed(this.options.roles, role, action, uri)) return undefined;
    this.stats.denied++;
    return 'wamp.error.not_authorized';
  }
}

function isMatch(match: string): match is Match {
  return match === 'exact' || match === 'prefix';
}

function refuse(session: Session, reason: string, message: string): void {
  session.end([Code.ABORT, { message }, reason]);
}

function sendError(session: Session, code: number, request: number, error: string, payload: Payload = []): void {
  session.send([Code.ERROR, code, request, {}, error, ...payload]);
}

/** Returns a random id of the global scope: 1 … 2^48, which every WAMP client can represent. */
function globalId(): number {
  return randomInt(1, 2 ** 48 - 1);
}
