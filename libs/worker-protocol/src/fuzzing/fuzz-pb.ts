import { type Banana, BananaDecoder, encodeBanana, Float, utf8 } from '../pb/banana.js';
import { decodeJelly, encodeJelly, type Jelly, Reference, Tuple } from '../pb/jelly.js';
import { PbMasterSession } from '../pb/pb-master-session.js';
import type { CommandName } from '../worker-connection.js';
import type { Dice } from './dice.js';
import { damaged, recorded, sequence } from './frames.js';
import { type FuzzedCase, FuzzedSession, turns } from './fuzzed-case.js';

const captures = recorded('pb', 'pb-');
const COMMANDS: readonly CommandName[] = ['shell', 'mkdir', 'upload_file', 'upload_directory', 'download_file'];
const METHODS = [
  'update',
  'complete',
  'write',
  'read',
  'close',
  'unpack',
  'utime',
  'login',
  'respond',
  'shutdown',
  'x',
];
const KEYS = ['stdout', 'stderr', 'header', 'log', 'rc', 'elapsed', 'failure_reason', 'files', 'stat', 'novelty'];
const word = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Returns the beginning of a recorded connection, undamaged so that it gets beyond the login, followed by damaged bytes. */
export function pbChunks(dice: Dice): Uint8Array[] {
  return [...dice.pick(captures).slice(0, dice.nat(12)), ...sequence(captures, 4, dice)];
}

/**
 * Runs a session with a worker that logs in, runs commands, and sends many messages that break the protocol.
 * @throws Error when the session throws or leaves something open
 */
export async function fuzzPb(dice: Dice): Promise<FuzzedCase> {
  const worker = new BadWorker(dice);
  const fuzzed = new FuzzedSession(dice, (bytes) => worker.decoder.receive(bytes));
  const session: PbMasterSession = new PbMasterSession(fuzzed.transport, {
    onLogin: () => fuzzed.asks(session.attach(), (seen) => (seen.isAttached = true)),
  });
  const hear = async (chunks: readonly Uint8Array[]): Promise<void> => {
    const receive = (chunk: Uint8Array): void => {
      fuzzed.seen.messages++;
      session.receive(chunk);
    };
    chunks.forEach(receive);
    await turns(1);
    worker.answers().forEach(receive);
  };
  if (dice.nat(4) === 0) await hear(pbChunks(dice));
  else {
    await hear(worker.login());
    await hear(worker.respond());
    // The session declares the worker's lanes after it has read the worker's information.
    await hear([]);
    await turns(1);
    if (fuzzed.seen.isAttached) {
      for (const id of ['c0', 'c1']) {
        const outcome = session.startCommand(
          id,
          dice.pick(COMMANDS),
          { paths: ['/a', '/b'], path: '/f' },
          fuzzed.sink(),
        );
        fuzzed.asks(outcome, (seen) => seen.completed++);
      }
    }
    await hear([]);
    for (let rounds = 1 + dice.nat(2); rounds > 0; rounds--) {
      if (dice.nat(3) === 0) fuzzed.asks(session.interrupt('c0', 'enough'));
      await hear(Array.from({ length: dice.nat(8) }, () => worker.says()));
    }
  }
  return fuzzed.end(session);
}

/** The worker's end of a PB connection: keeps the objects that the session exposed and the calls that it made. */
class BadWorker {
  readonly decoder = new BananaDecoder((element) => this.heard(element));
  private readonly progress: number[] = [];
  private readonly files: number[] = [];
  private readonly asked: { readonly request: number; readonly method: string; readonly args: readonly Jelly[] }[] = [];
  private challenge: readonly Jelly[] = [];
  private request = 0;

  constructor(private readonly dice: Dice) {}

  login(): Uint8Array[] {
    const version = encodeBanana([word('version'), 6], 'pb');
    return [encodeBanana(word('pb'), 'none'), version, this.call(word('root'), 'login', [encodeJelly(word('w'))])];
  }

  respond(): Uint8Array[] {
    const [, challenger] = this.challenge;
    if (!(challenger instanceof Reference)) return [];
    const args = [encodeJelly(Buffer.alloc(16)), encodeJelly(new Reference('remote', 1))];
    return [this.call(challenger.luid, 'respond', args)];
  }

  answers(): Uint8Array[] {
    return this.asked.splice(0).map(({ request, method, args }) => {
      if (this.dice.nat(49) === 0) return this.sent(word('error'), request, this.form(3));
      const odd = this.dice.nat(49) === 0;
      return this.sent(word('answer'), request, odd ? this.form(4) : encodeJelly(answerTo(method, args)));
    });
  }

  says(): Uint8Array {
    const { dice } = this;
    const how = dice.nat(29);
    const anything = dice.pick([...this.progress, ...this.files, 1, 2, dice.nat(20)]);
    if (how === 0) return dice.bytes(dice.nat(100));
    if (how === 1) return this.sent(word(dice.pick(['answer', 'error'])), dice.nat(20), this.form(4));
    if (how === 2) return this.sent(word('decref'), anything);
    if (how === 3) return this.call(anything, dice.pick(METHODS), [this.form(4), this.form(4)]);
    if (how === 4) return this.call(anything, 'update', [this.laughs()]);
    const file = this.files.length > 0 ? dice.pick(this.files) : undefined;
    const progress = this.progress.length > 0 ? dice.pick(this.progress) : anything;
    const right = file !== undefined && how < 18 ? this.moves(file) : this.reports(progress);
    return how === 5 ? damaged(right, dice) : right;
  }

  private moves(file: number): Uint8Array {
    const { dice } = this;
    const method = dice.pick(['write', 'write', 'write', 'read', 'read', 'close', 'unpack', 'utime']);
    const args: Readonly<Record<string, Jelly>> = {
      write: dice.bytes(dice.nat(50)),
      read: dice.nat(1000),
      utime: new Tuple([1, new Float(1.5)]),
    };
    return this.call(file, method, Object.hasOwn(args, method) ? [encodeJelly(args[method]!)] : []);
  }

  private reports(progress: number): Uint8Array {
    const { dice } = this;
    if (dice.nat(9) === 0) return this.call(progress, 'complete', [dice.nat(3) === 0 ? this.form(3) : [word('None')]]);
    const pairs = Array.from({ length: dice.nat(4) }, (_none, index): Banana => {
      if (index > 0 && dice.nat(4) === 0) return [word('dereference'), 7];
      const pair = encodeJelly([new Map([this.update()]), 0]);
      return index === 0 ? [word('reference'), 7, pair] : pair;
    });
    return this.call(progress, 'update', [[word('list'), ...pairs]]);
  }

  private update(): [Jelly, Jelly] {
    const { dice } = this;
    const key = dice.pick(KEYS);
    const text = dice.pick<Jelly>(['', 'a\n', 'é\nb', 'no end', word('bytes\r\n'), 'x'.repeat(5000)]);
    const values: Readonly<Record<string, Jelly>> = {
      log: new Tuple(['file', text]),
      rc: dice.nat(3),
      elapsed: new Float(0.5),
      files: ['a', text],
      stat: new Tuple([1, 2n ** 63n]),
    };
    return [key, dice.nat(49) === 0 ? dice.nat(5) : Object.hasOwn(values, key) ? values[key]! : text];
  }

  /** Returns one update many times, or lists that each refer to the list before several times (a "billion laughs" message). */
  private laughs(): Banana {
    const { dice } = this;
    const text = 'x'.repeat(dice.nat(dice.pick([10, 100_000])));
    const width = 2 + dice.nat(20);
    const again = (luid: number, times: number): Banana[] =>
      Array.from({ length: times }, () => [word('dereference'), luid]);
    if (dice.nat(1) === 0) {
      const pair = encodeJelly([new Map([[dice.pick(KEYS), text]]), 0]);
      return [word('list'), [word('reference'), 0, pair], ...again(0, dice.nat(500))];
    }
    const lists = Array.from({ length: 1 + dice.nat(30) }, (_none, luid): Banana => [
      word('reference'),
      luid + 1,
      [word('list'), ...again(luid, width)],
    ]);
    return [word('list'), [word('reference'), 0, encodeJelly(text)], ...lists];
  }

  /** Returns a jelly expression, often a malformed one. */
  private form(depth: number): Banana {
    const { dice } = this;
    const how = dice.nat(depth > 0 ? 9 : 5);
    const tag = word(dice.pick(['list', 'tuple', 'dictionary', 'unicode', 'set', 'a.B', 'boolean', 'persistent']));
    if (how < 3) return dice.pick<Banana>([1, -1, 2n ** 70n, new Float(NaN), word('text'), [word('None')], []]);
    if (how === 3) return [word('dereference'), dice.nat(3)];
    if (how === 4) return [word(dice.pick(['remote', 'local'])), dice.nat(5)];
    if (how === 5) return [word('unicode'), dice.bytes(dice.nat(20))];
    const items = Array.from({ length: dice.nat(4) }, () => this.form(depth - 1));
    if (how === 6) return [word('reference'), dice.nat(3), items[0] ?? []];
    if (how === 7) return [word('dictionary'), ...items.map((item): Banana => [word('key'), item])];
    return [tag, ...items];
  }

  private call(target: Banana, method: string, args: readonly Banana[]): Uint8Array {
    const [positional, keywords] = [[word('tuple'), ...args], [word('dictionary')]];
    return this.sent(
      word('message'),
      ++this.request,
      target,
      word(method),
      this.dice.nat(9) && 1,
      positional,
      keywords,
    );
  }

  private sent(...element: Banana[]): Uint8Array {
    return encodeBanana(element, 'pb');
  }

  private heard(element: Banana): void {
    const [op, request, ...rest] = element as readonly Banana[];
    const operation = utf8(op as Uint8Array);
    if (operation === 'answer' && this.challenge.length === 0) {
      const challenge = decodeJelly(rest[0]!);
      if (challenge instanceof Tuple) this.challenge = challenge.items;
    }
    if (operation !== 'message') return;
    const [, name, , positional] = rest;
    const { items } = decodeJelly(positional!) as Tuple;
    const method = utf8(name as Uint8Array);
    this.asked.push({ request: request as number, method, args: items });
    if (method !== 'startCommand') return;
    this.progress.push((items[0] as Reference).luid);
    for (const value of (items[3] as ReadonlyMap<Jelly, Jelly>).values()) {
      if (value instanceof Reference) this.files.push(value.luid);
    }
  }
}

function answerTo(method: string, args: readonly Jelly[]): Jelly {
  if (method === 'getWorkerInfo')
    return new Map<Jelly, Jelly>([
      ['basedir', '/w'],
      ['version', '4.3.0'],
    ]);
  if (method !== 'setBuilderList') return null;
  const names = (args[0] as readonly Tuple[]).map(({ items: [name] }) => name!);
  return new Map(names.map((name, index) => [name, new Reference('remote', 100 + index)]));
}
