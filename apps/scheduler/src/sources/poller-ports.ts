import { Inject, Injectable } from '@nestjs/common';
import { type Incarnation, IntakeStore, OwnershipStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, ME } from '@millrace/master';

/** What every poller needs, whatever it polls. */
@Injectable()
export class PollerPorts {
  constructor(
    readonly ownerships: OwnershipStore,
    readonly intake: IntakeStore,
    readonly hints: Hints,
    readonly lease: Lease,
    @Inject(ME) readonly me: Incarnation,
    @Inject(LOG) readonly log: Logger,
  ) {}
}
