import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { WorkerDigests } from '@millrace/config';
import type { CompiledWorker } from '@millrace/contracts';
import { verifyPassword } from '@millrace/domain';
import type { Credentials, PbCredentials } from '@millrace/worker-protocol';
import type { LoggedInWorker, WorkerTokens } from './tokens.js';

/** What the listener needs to know of the configuration in force. */
export interface WorkerDirectory {
  readonly workers: ReadonlyMap<string, CompiledWorker>;
  readonly workerIds: ReadonlyMap<string, number>;
  readonly workerDigests: WorkerDigests;
  readonly tokens: Pick<WorkerTokens, 'check' | 'checkPb'>;
  /** Folders below its base directory that a worker of that name builds in. */
  builddirs(worker: string): readonly string[];
}

/**
 * Checks what workers log in with. A password that was right before is recognised by a keyed hash, so that a whole fleet that
 * reconnects does not cost a slow hash each.
 */
export class Login {
  private readonly key = randomBytes(32);
  private readonly seen = new Map<string, { readonly passwordHash: string; readonly digest: Buffer }>();

  check(credentials: Credentials, { workers, tokens }: WorkerDirectory): LoggedInWorker | null {
    const worker = workers.get(credentials.name);
    if (!worker) return null;
    const tokenId = tokens.check(credentials);
    if (tokenId !== null) return { ...worker, tokenId };
    const digest = createHmac('sha256', this.key).update(credentials.password).digest();
    const seen = this.seen.get(worker.name);
    if (seen && seen.passwordHash === worker.passwordHash && timingSafeEqual(seen.digest, digest)) return worker;
    if (!verifyPassword(credentials.password, worker.passwordHash)) return null;
    this.seen.set(worker.name, { passwordHash: worker.passwordHash, digest });
    return worker;
  }
}

/** Over PB the password itself is never sent; see `WorkerDigests` of the configuration. */
export function checkPbLogin(
  credentials: PbCredentials,
  { workers, workerDigests, tokens }: WorkerDirectory,
): LoggedInWorker | null {
  const worker = workers.get(credentials.name);
  const tokenId = worker ? tokens.checkPb(credentials) : null;
  if (worker && tokenId !== null) return { ...worker, tokenId };
  const digest = worker && Object.hasOwn(workerDigests, worker.name) ? workerDigests[worker.name] : undefined;
  const isRight = credentials.matches(digest === undefined ? undefined : Buffer.from(digest, 'hex'));
  return isRight && worker ? worker : null;
}
