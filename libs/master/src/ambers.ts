import { Injectable } from '@nestjs/common';

/** Problems of things that this master looks after, while the master itself works. `/readyz` shows them. */
@Injectable()
export class Ambers {
  private readonly reasons = new Map<string, string>();

  /**
   * Sets or removes a problem.
   * @param why null when the problem is over
   */
  set(what: string, why: string | null): void {
    if (why === null) this.reasons.delete(what);
    else this.reasons.set(what, why);
  }

  /** All problems with their reasons. */
  get all(): ReadonlyMap<string, string> {
    return this.reasons;
  }
}
