import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { hookDialect, type Proof } from '@millrace/config/hooks';
import { type CompiledHook, hints } from '@millrace/contracts';
import { HookDeliveryStore, type NewHookDelivery } from '@millrace/database';
import { OperationalError, PerMinute, printable, UserError } from '@millrace/domain';
import { Counter, Registry } from 'prom-client';
import { Hints } from '../hints.js';
import type { Logger } from '../logging.js';
import type { HookSettings } from '../settings.js';
import { LOG, SETTINGS } from '../tokens.js';
import { ConfiguredHooks } from './configured-hooks.js';
import { DeliveryTokens } from './delivery-tokens.js';
import { isInHead, isProven } from './proof.js';

type Headers = Readonly<Record<string, string>>;

export interface ReceivedRequest {
  readonly headers: Headers;
  /** The part of the address behind the question mark. */
  readonly query: string;
  readonly body: Buffer;
  /** Who delivers with a token, as `checkHead` says; null without one. */
  readonly sender: string | null;
}

/** The answer to a delivery: it is committed, and will be read. */
export interface DeliveryAnswer {
  readonly delivery: number;
  /** Where to see what comes of it. */
  readonly link: string;
  /** True when the delivery had come before. */
  readonly repeated: boolean;
  /** The user and the purpose of the API token that it came with; missing without one. */
  readonly delivered_by?: string;
}

const MAX_KEY_CHARACTERS = 190;
/** Headers with secrets, or made of them, are not kept. */
const SECRET_HEADER = /auth|cookie|token|secret|signature|passw|credential/i;
const MAX_HEADER_CHARACTERS = 1_000;
/** Lines in the log about refused deliveries, which anybody can send. */
const LINES_PER_MINUTE = 10;

/** Takes what forges deliver. Accepted means committed (I2); what it means is found out later. */
@Injectable()
export class HookReceiver {
  private readonly counter: Counter<'hook' | 'outcome'>;
  private readonly lines = new PerMinute(LINES_PER_MINUTE);

  constructor(
    private readonly hooks: ConfiguredHooks,
    private readonly tokens: DeliveryTokens,
    private readonly deliveries: HookDeliveryStore,
    private readonly hints: Hints,
    metrics: Registry,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: HookSettings,
  ) {
    this.counter = new Counter({
      name: 'millrace_hook_deliveries_total',
      help: 'Deliveries that came to a hook of this master: accepted, repeated, or refused for their signature or token',
      labelNames: ['hook', 'outcome'],
      registers: [metrics],
    });
  }

  /**
   * Finds the hook of an address, `DIALECT` or `DIALECT/NAME`.
   * @throws UserError `not-found`
   */
  async hook(dialect: string, name: string): Promise<CompiledHook> {
    const hooks = await this.hooks.all();
    const found = hooks.find((hook) => hook.dialect === dialect && hook.name === name);
    if (found) return found;
    throw notFound(dialect === name ? dialect : `${dialect}/${name}`, hooks.length);
  }

  /**
   * Refuses an address that no hook can have.
   * @throws UserError `not-found`
   */
  async unknown(address: string): Promise<never> {
    const path = address.split('?', 1)[0]!.replace(/^\/change_hook\/?/, '');
    throw notFound(path, (await this.hooks.all()).length);
  }

  /**
   * Checks what can be checked before the body has been read. An API token stands in for what the hook's secret would prove.
   * @returns who delivers with a token; null without one
   * @throws UserError `bad-signature`, `unauthorized`, `forbidden`, OperationalError `no-secret`
   */
  async checkHead(hook: CompiledHook, headers: Headers, address: string): Promise<string | null> {
    const sender = await this.senderOf(hook, headers, address);
    if (sender !== null) return sender;
    if (hook.hasSecret) this.hooks.secretOf(hook);
    if (isInHead(this.proofOf(hook))) await this.check(hook, headers, '');
    return null;
  }

  /**
   * Stores a delivery.
   * @throws UserError `bad-signature`, `bad-delivery`, `idempotency-conflict`, OperationalError `not-stored`, `no-secret`
   */
  async receive(hook: CompiledHook, { headers, query, body, sender }: ReceivedRequest): Promise<DeliveryAnswer> {
    const text = textOf(body);
    if (sender === null) await this.check(hook, headers, text);
    const { deliveryId, repeated } = await this.store({
      hook: hook.name,
      dialect: hook.dialect,
      deliveryKey: keyOf(hook, headers),
      headers: keptHeaders(headers),
      query,
      body,
      deliveredBy: sender,
      keepMs: this.settings.hookKeepMs,
    });
    await this.count(hook, repeated ? 'repeated' : 'accepted');
    if (!repeated) this.hints.publish(hints.delivery(deliveryId, 'new'));
    return {
      delivery: deliveryId,
      link: `${this.settings.publicUrl}/deliveries/${deliveryId}`,
      repeated,
      ...(sender !== null && { delivered_by: sender }),
    };
  }

  /** @throws UserError `idempotency-conflict`, OperationalError `not-stored` */
  private async store(delivery: NewHookDelivery): Promise<{ readonly deliveryId: number; readonly repeated: boolean }> {
    try {
      return await this.deliveries.accept(delivery);
    } catch (cause) {
      if (cause instanceof UserError) throw cause;
      const why = 'the delivery could not be stored: send it again later';
      throw new OperationalError('not-stored', why, {}, { cause });
    }
  }

  private async count(hook: CompiledHook, outcome: 'accepted' | 'repeated' | 'refused'): Promise<void> {
    this.counter.inc({ hook: await this.hooks.countedAs(hook), outcome });
  }

  private async senderOf(hook: CompiledHook, headers: Headers, address: string): Promise<string | null> {
    try {
      return await this.tokens.sender(hook, headers['authorization'], address);
    } catch (error) {
      if (!(error instanceof UserError))
        throw new OperationalError(
          'not-stored',
          'the token could not be looked up: send the delivery again later',
          {},
          { cause: error },
        );
      await this.count(hook, 'refused');
      const held = this.lines.pass(performance.now());
      if (held !== null) this.log.warn({ hook: hook.name, address, held }, `a delivery was refused: ${error.message}`);
      throw error;
    }
  }

  private proofOf(hook: CompiledHook): Proof {
    return hookDialect(hook.dialect).proof(hook);
  }

  private async check(hook: CompiledHook, headers: Headers, body: string): Promise<void> {
    if (!hook.hasSecret) return;
    const proof = this.proofOf(hook);
    if (await isProven(proof, this.hooks.secretOf(hook), headers, body)) return;
    await this.count(hook, 'refused');
    const held = this.lines.pass(performance.now());
    if (held !== null)
      this.log.warn({ hook: hook.name, headers: keptHeaders(headers), held }, 'a delivery has a bad signature');
    const where = proof.kind === 'authorization' ? 'authorization' : proof.header;
    throw new UserError(
      'bad-signature',
      `the delivery does not prove that it knows the secret of hook '${hook.name}': see the header ${where}`,
      { field: where },
    );
  }
}

function notFound(path: string, hooks: number): UserError {
  const count = `${hooks} hook${hooks === 1 ? ' is' : 's are'} configured`;
  const message = `there is no hook at /change_hook/${printable(path, 100)}: ${count}`;
  return new UserError('not-found', message, { field: 'address' });
}

/** @throws UserError `bad-delivery` for bytes that are no text */
function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw new UserError('bad-delivery', 'the body is not UTF-8', { field: 'body' }, { cause });
  }
}

function keyOf({ dialect }: CompiledHook, headers: Headers): string {
  const header = hookDialect(dialect).deliveryHeaders.find(
    (name) => headers[name] !== undefined && headers[name] !== '',
  );
  if (header === undefined) return randomUUID();
  const key = headers[header]!;
  if (key.length <= MAX_KEY_CHARACTERS) return key;
  throw new UserError(
    'bad-delivery',
    `the header ${header} has ${key.length} characters: expected at most ${MAX_KEY_CHARACTERS}`,
    { field: header },
  );
}

function keptHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      SECRET_HEADER.test(name) ? [] : [[name, value.slice(0, MAX_HEADER_CHARACTERS)]],
    ),
  );
}
