import { Inject, Injectable } from '@nestjs/common';
import { addressGroup, Budgets, isLoopback, monotonicMs, UserError } from '@millrace/domain';
import { SETTINGS, type UiSettings } from '@millrace/master';
import { Turns } from '../access/turns.js';
import type { FastifyRequest } from 'fastify';
import { Callers } from '../access/callers.js';
import { ANONYMOUS, type Caller } from '../resources/caller.js';
import { addressOf } from './api-request.js';
import { ClientAddresses } from './client-addresses.js';

/** Most clients whose budgets are remembered. */
const MOST_CLIENTS = 50_000;
/** Reads of lists and logs by strangers: at a time, and waiting. */
const STRANGERS = { atATime: 8, waiting: 500 };

/** Keeps clients from taking what others need: each has a budget of requests, and strangers read lists and logs a few at a time. */
@Injectable()
export class Traffic {
  /** Null when requests are not limited. */
  private readonly budgets: Budgets | null;
  private readonly turns = new Turns(
    STRANGERS.atATime,
    STRANGERS.waiting,
    'too many people are reading: sign in, or try again in a moment',
  );

  constructor(
    private readonly callers: Callers,
    private readonly addresses: ClientAddresses,
    @Inject(SETTINGS) { requestsPerSecond, requestsBurst }: Pick<UiSettings, 'requestsPerSecond' | 'requestsBurst'>,
  ) {
    this.budgets =
      requestsPerSecond === 0
        ? null
        : new Budgets({ perSecond: requestsPerSecond, burst: requestsBurst, most: MOST_CLIENTS });
  }

  /**
   * Returns whose request it is, and counts it. Whoever is signed in has a budget wherever the requests come from, a token its own; strangers,
   * and who sends a token that does not work, share that of their address. Clients on this machine, where a proxy may be, are not limited.
   * @throws UserError `too-many-requests` with the seconds to wait, `unauthorized`
   */
  async callerOf(request: FastifyRequest): Promise<Caller> {
    const address = this.addresses.of(request.raw);
    try {
      const caller = await this.callers.of(request.headers, addressOf(request.raw));
      this.count(caller, address);
      return caller;
    } catch (error) {
      if (error instanceof UserError && error.code === 'unauthorized') this.count(ANONYMOUS, address);
      throw error;
    }
  }

  private count(caller: Caller, address: string): void {
    if (this.budgets === null || isLoopback(address)) return;
    const waitMs = this.budgets.spend(keyOf(caller, address), monotonicMs());
    if (waitMs === 0) return;
    const retryAfterS = Math.ceil(waitMs / 1000);
    throw new UserError('too-many-requests', `too many requests: try again in ${retryAfterS} s`, { retryAfterS });
  }

  /**
   * Reads a list or a log. Strangers take turns, so that however many there are, those who have signed in find the database free.
   * @throws OperationalError `busy`
   */
  read<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
    return caller.kind === 'anonymous' ? this.turns.take(work) : work();
  }
}

function keyOf(caller: Caller, address: string): string {
  switch (caller.kind) {
    case 'token':
      return `token ${caller.tokenId}`;
    case 'user':
      return `user ${caller.account.username}`;
    case 'anonymous':
      return `address ${addressGroup(address)}`;
  }
}
