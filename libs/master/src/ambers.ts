import { Injectable } from '@nestjs/common';

/** What is amber in this master: it works, but something that it looks after does not. `/readyz` says so. */
@Injectable()
export class Ambers {
  private readonly reasons = new Map<string, string>();

  /** @param why null: it is amber no longer */
  set(what: string, why: string | null): void {
    if (why === null) this.reasons.delete(what);
    else this.reasons.set(what, why);
  }

  /** What is amber → why. */
  get all(): ReadonlyMap<string, string> {
    return this.reasons;
  }
}
