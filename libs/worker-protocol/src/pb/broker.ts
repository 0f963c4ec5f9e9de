import { messageOf, printable } from '@millrace/domain';
import { WORKER_LIMITS } from '../limits.js';
import { OutstandingRequests } from '../outstanding-requests.js';
import { ProtocolError } from '../protocol-error.js';
import type { Transport } from '../worker-connection.js';
import { type Banana, BananaDecoder, type BananaLimits, type Dialect, encodeBanana, latin1, utf8 } from './banana.js';
import { describeFailure, encodeFailure, NO_SUCH_METHOD } from './failure.js';
import { decodeJelly, encodeJelly, type Jelly, type JellyMap, Reference, Tuple } from './jelly.js';

/** A call from the other side. `bytes` is its size on the wire. */
export interface Call {
  readonly method: string;
  readonly args: readonly Jelly[];
  readonly bytes: number;
}

/**
 * An object that the other side may call. A ProtocolError closes the connection. A {@link RemoteFailure} is answered as an exception of its
 * type. Returned promises must not reject with anything else.
 */
export interface LocalObject {
  call(call: Call): Jelly | Promise<Jelly>;
}

/** An exception for the other side, named by its Python class. */
export class RemoteFailure extends Error {
  constructor(
    readonly type: string,
    message = '',
  ) {
    super(message);
  }
}

export function noSuchMethod(method: string): RemoteFailure {
  return new RemoteFailure(NO_SUCH_METHOD, `there is no method '${method.slice(0, 100)}' here`);
}

const PB_VERSION = 6;
const DIALECTS: readonly Dialect[] = ['pb', 'none'];
/** Limits of a message before the login, which needs only small ones. */
const BEFORE_LOGIN: BananaLimits = { maxMessageBytes: 16 << 10, maxMessageElements: 256 };

/**
 * The server's end of a Perspective Broker connection (`docs/protocols.md#pb`): negotiation, calls between numbered objects, and the
 * counting of references. Its constructor sends the greeting. An object is forgotten when the other side has dropped every reference to it.
 */
export class Broker {
  private readonly decoder = new BananaDecoder((element, bytes) => this.element(element, bytes), BEFORE_LOGIN);
  private readonly requests = new OutstandingRequests(1);
  private readonly objects = new Map<number, { readonly object: LocalObject; references: number }>();
  private readonly luids = new Map<LocalObject, number>();
  private nextLuid = 1;
  private dialect: Dialect | undefined;
  private versionSeen = false;
  private isClosed = false;
  /** Bytes that may still arrive before the login is accepted. */
  private bytesLeft: number = WORKER_LIMITS.loginBytes;

  constructor(
    private readonly transport: Pick<Transport, 'send'>,
    private readonly root: LocalObject,
    /** Called when an answer could not be sent, so the connection has to be closed. */
    private readonly onBroken: (error: unknown) => void = () => undefined,
  ) {
    this.send(
      DIALECTS.map((dialect) => Buffer.from(dialect)),
      'none',
    );
  }

  /**
   * Handles received bytes.
   * @throws ProtocolError when the connection has to be closed
   */
  receive(chunk: Uint8Array): void {
    this.bytesLeft -= chunk.length;
    if (this.bytesLeft < 0) {
      throw new ProtocolError(`more than ${WORKER_LIMITS.loginBytes} bytes came before the login was accepted`);
    }
    this.decoder.receive(chunk);
  }

  allow(limits: BananaLimits): void {
    this.decoder.limits = limits;
    this.bytesLeft = Infinity;
  }

  /** Returns a reference to an object of ours for the other side, and counts it as held. */
  expose(object: LocalObject): Reference {
    let luid = this.luids.get(object);
    if (luid === undefined) {
      luid = this.nextLuid++;
      this.luids.set(object, luid);
      this.objects.set(luid, { object, references: 0 });
    }
    this.objects.get(luid)!.references++;
    return new Reference('remote', luid);
  }

  /** Number of our objects that the other side holds. */
  get exposedObjects(): number {
    return this.objects.size;
  }

  /**
   * Calls a method of the other side's object. Rejects with RemoteError for its exception, with UserError `too-long-for-pb` when an
   * argument cannot be sent, and with the error that `close` was given.
   */
  async call(
    luid: number,
    method: string,
    args: readonly Jelly[] = [],
    keywords: JellyMap = new Map(),
  ): Promise<Jelly> {
    const answer = await this.requests.ask(method, (request) =>
      this.send([
        Buffer.from('message'),
        request,
        luid,
        Buffer.from(method),
        1,
        encodeJelly(new Tuple(args)),
        encodeJelly(keywords),
      ]),
    );
    return answer as Jelly;
  }

  /** Rejects every outstanding call. Nothing is sent afterwards. */
  close(error: Error): void {
    this.isClosed = true;
    this.requests.close(error);
    this.objects.clear();
    this.luids.clear();
  }

  private element(element: Banana, bytes: number): void {
    if (this.isClosed) return;
    if (this.dialect === undefined) return this.choose(element);
    if (!Array.isArray(element)) throw new ProtocolError('a PB message is no list');
    const [op, first, second] = element as readonly Banana[];
    const operation = op instanceof Uint8Array ? latin1(op) : '';
    if (!this.versionSeen && operation !== 'version') throw new ProtocolError('the PB version was not given first');
    switch (operation) {
      case 'version':
        if (first !== PB_VERSION) throw new ProtocolError(`the PB version is not ${PB_VERSION}`);
        this.versionSeen = true;
        return;
      case 'message':
        return this.message(element as readonly Banana[], bytes);
      case 'answer':
        this.acknowledge();
        return this.answer(first, decodeJelly(second ?? []), false);
      case 'error':
        this.acknowledge();
        return this.answer(first, describeFailure(decodeJelly(second ?? [])), true);
      case 'decref':
        return this.release(first);
      // The first three are about cached objects, of which we have none.
      case 'decache':
      case 'uncache':
      case 'cachemessage':
      case 'didNotUnderstand':
        return;
      default:
        throw new ProtocolError(`there is no PB operation '${operation.slice(0, 100)}'`);
    }
  }

  private choose(element: Banana): void {
    const chosen = element instanceof Uint8Array ? latin1(element) : '';
    const dialect = DIALECTS.find((name) => name === chosen);
    if (dialect === undefined)
      throw new ProtocolError(`'${chosen.slice(0, 100)}' is no banana dialect that was offered`);
    this.dialect = dialect;
    this.send([Buffer.from('version'), PB_VERSION]);
  }

  /**
   * Sends a message that means nothing. A worker's socket has Nagle's algorithm on, and what it writes next waits until its last segment is
   * acknowledged: with nothing to send, a kernel does that after 40 ms only (RFC 1122 4.2.3.2), and each command would last that much longer.
   */
  private acknowledge(): void {
    this.send([Buffer.from('version'), PB_VERSION]);
  }

  private message(parts: readonly Banana[], bytes: number): void {
    const [, request, target, name, answerRequired, args, keywords] = parts;
    if (parts.length !== 7 || typeof request !== 'number' || !(name instanceof Uint8Array)) {
      throw new ProtocolError('a PB call does not have the parts of one');
    }
    const positional = decodeJelly(args!);
    if (!(positional instanceof Tuple) || !(decodeJelly(keywords!) instanceof Map)) {
      throw new ProtocolError('the arguments of a PB call are no tuple and dictionary');
    }
    const reply = (operation: string, value: Jelly): void => {
      if (answerRequired === 0 || this.isClosed) return;
      this.send([Buffer.from(operation), request, encodeJelly(value)]);
    };
    const fail = (error: unknown): void => {
      const type = error instanceof RemoteFailure ? error.type : 'builtins.RuntimeError';
      reply('error', encodeFailure(type, printable(messageOf(error))));
    };
    const object = this.find(target!);
    if (object === undefined) return fail(new RemoteFailure('twisted.spread.pb.Error', 'Invalid Object ID'));
    let result: Jelly | Promise<Jelly>;
    try {
      result = object.call({ method: utf8(name), args: positional.items, bytes });
    } catch (error) {
      if (!(error instanceof RemoteFailure)) throw error;
      return fail(error);
    }
    if (result instanceof Promise) result.then((value) => reply('answer', value), fail).catch(this.onBroken);
    else reply('answer', result);
  }

  private find(target: Banana): LocalObject | undefined {
    if (target instanceof Uint8Array) return latin1(target) === 'root' ? this.root : undefined;
    return typeof target === 'number' ? this.objects.get(target)?.object : undefined;
  }

  private answer(request: Banana | undefined, result: Jelly, isException: boolean): void {
    if (typeof request !== 'number') throw new ProtocolError('an answer is to no request number');
    this.requests.answer({ op: 'response', seq: request, result, isException });
  }

  /** Handles `decref`. Workers also send it late, in batches and for unknown numbers. */
  private release(luid: Banana | undefined): void {
    if (typeof luid !== 'number') return;
    const held = this.objects.get(luid);
    if (held === undefined || --held.references > 0) return;
    this.objects.delete(luid);
    this.luids.delete(held.object);
  }

  private send(element: Banana, dialect = this.dialect ?? 'none'): void {
    this.transport.send(encodeBanana(element, dialect));
  }
}
