import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { CompiledWorker } from '@millrace/contracts';
import { verifyPassword } from '@millrace/domain';
import type { Credentials } from '@millrace/worker-protocol';

/**
 * Checks what workers log in with. A password that was right before is recognised by a keyed hash, so that a whole fleet that
 * reconnects does not cost a slow hash each.
 */
export class Login {
  private readonly key = randomBytes(32);
  private readonly seen = new Map<string, { readonly passwordHash: string; readonly digest: Buffer }>();

  check(credentials: Credentials, workers: ReadonlyMap<string, CompiledWorker>): CompiledWorker | null {
    const worker = workers.get(credentials.name);
    if (!worker) return null;
    const digest = createHmac('sha256', this.key).update(credentials.password).digest();
    const seen = this.seen.get(worker.name);
    if (seen && seen.passwordHash === worker.passwordHash && timingSafeEqual(seen.digest, digest)) return worker;
    if (!verifyPassword(credentials.password, worker.passwordHash)) return null;
    this.seen.set(worker.name, { passwordHash: worker.passwordHash, digest });
    return worker;
  }
}
