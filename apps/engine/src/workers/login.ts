import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { WorkerDigests } from '@millrace/config';
import type { CompiledWorker } from '@millrace/contracts';
import { LoginThrottle } from '@millrace/domain';
import { type Credentials, type PbCredentials, pbDigest } from '@millrace/worker-protocol';
import type { LoggedInWorker, WorkerTokens } from './tokens.js';

/** The workers of the configuration in force, whichever that is at the time. */
export abstract class WorkerDirectory {
  abstract readonly workers: ReadonlyMap<string, CompiledWorker>;
  abstract readonly workerIds: ReadonlyMap<string, number>;
  abstract readonly workerDigests: WorkerDigests;
  abstract readonly tokens: Pick<WorkerTokens, 'check' | 'checkPb' | 'isWorking'>;
  /** Returns the folders, below its base directory, that a worker of that name builds in. */
  abstract readonly builddirs: (worker: string) => readonly string[];
}

/** The result of a login. */
export type LoginResult = {
  /** Delay before the result is sent. */
  readonly afterMs: number;
} & ({ readonly worker: LoggedInWorker } | { readonly refused: 'wrong-credentials' });

/** Checks logins, and delays the answers to those that fail. */
@Injectable()
export class Login {
  constructor(
    private readonly directory: WorkerDirectory,
    private readonly throttle: LoginThrottle,
  ) {}

  withPassword(credentials: Credentials, address: string): LoginResult {
    return this.attempt(credentials.name, address, () => checkPassword(credentials, this.directory));
  }

  withAnswer(credentials: PbCredentials, address: string): LoginResult {
    return this.attempt(credentials.name, address, () => checkAnswer(credentials, this.directory));
  }

  private attempt(name: string, address: string, check: () => LoggedInWorker | null): LoginResult {
    const worker = check();
    const afterMs = this.throttle.judged(worker !== null, name, address, performance.now());
    return worker ? { worker, afterMs } : { refused: 'wrong-credentials', afterMs };
  }
}

/**
 * Checks a password. It is compared by the digest that PB's login needs in memory anyway, so that a whole fleet that reconnects does not
 * cost a slow hash each. Takes the same time whatever is wrong.
 */
export function checkPassword(credentials: Credentials, directory: WorkerDirectory): LoggedInWorker | null {
  const expected = digestOf(credentials.name, directory);
  const given = pbDigest(credentials.password);
  const isRight = timingSafeEqual(given, expected ?? randomBytes(given.length)) && expected !== undefined;
  return letIn(credentials.name, isRight, directory.tokens.check(credentials), directory);
}

/** Checks the answer to PB's challenge. Over PB the password itself is never sent; see `WorkerDigests` of the configuration. */
export function checkAnswer(credentials: PbCredentials, directory: WorkerDirectory): LoggedInWorker | null {
  const isRight = credentials.matches(digestOf(credentials.name, directory));
  return letIn(credentials.name, isRight, directory.tokens.checkPb(credentials), directory);
}

function letIn(
  name: string,
  hasPassword: boolean,
  tokenId: number | null,
  { workers }: WorkerDirectory,
): LoggedInWorker | null {
  const worker = workers.get(name);
  if (!worker) return null;
  if (tokenId !== null) return { ...worker, tokenId };
  return hasPassword ? worker : null;
}

function digestOf(name: string, { workers, workerDigests }: WorkerDirectory): Buffer | undefined {
  const digest = workers.has(name) && Object.hasOwn(workerDigests, name) ? workerDigests[name] : undefined;
  return digest === undefined ? undefined : Buffer.from(digest, 'hex');
}
