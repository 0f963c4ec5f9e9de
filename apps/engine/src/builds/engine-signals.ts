import { Injectable } from '@nestjs/common';
import { Subject } from 'rxjs';

/** What parts of the engine tell whoever hands out its work, in the same turn: a claim then rides along with the write that made room for it. */
@Injectable()
export class EngineSignals {
  /** A slot of a worker is free, or a worker that was in doubt may build: what is known of the queues will do. */
  readonly slotFreed = new Subject<void>();
  /** A worker came, or may build again: the queues of its builders are to be looked at. */
  readonly workersChanged = new Subject<void>();
}
