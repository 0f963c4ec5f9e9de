import { Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';

/**
 * Signals to the distributor from other parts of the engine. They are handled in the same turn, so that a claim shares the transaction of
 * the write that made room for it.
 */
@Injectable()
export class EngineSignals {
  /** A worker has a free slot, or one that was in doubt may build. The known heads of the queues are enough. */
  readonly slotFreed = new Subject<void>();
  /** A worker attached, or may build again. The queues of its builders have to be read. */
  readonly workersChanged = new Subject<void>();
}
