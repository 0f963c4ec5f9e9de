import type { Result } from '@millrace/domain';

/** The record of a build that another engine, or an earlier session of its worker, began. */
export interface Recorded {
  readonly fingerprint: string | null;
  /** `results` is null for the step that was running. */
  readonly steps: readonly { readonly name: string; readonly results: Result | null; readonly resumable: boolean }[];
  /** Commands of that step. `outcome` is null for those that had not ended. */
  readonly commands: readonly { readonly name: string; readonly uuid: string; readonly outcome: string | null }[];
  /** Number of adoptions, this one included. */
  readonly adoptions: number;
}

/** Adoptions after which a build is retried from the beginning instead. */
export const ADOPTIONS_ALLOWED = 20;

/** What the engine that wants to adopt a build has for it. */
export interface ResumeOffer {
  /** Fingerprint of the builder as configured here; null when this engine does not serve it. */
  readonly fingerprint: string | null;
  /** Ids of the commands that the worker still holds. */
  readonly held: ReadonlySet<string>;
}

/** Whether a command is a file transfer. Transfers cannot go on half-way, and can safely be repeated. */
export function isTransfer(command: string): boolean {
  return command === 'upload_file' || command === 'upload_directory' || command === 'download_file';
}

/** The name under which a step's call for other builds is recorded among its commands. */
export const TRIGGER = 'trigger';

/** Whether a command runs on the worker and nowhere else, so that it is lost when the worker does not hold it any more. */
export function isHeldByWorker(command: string): boolean {
  return command !== TRIGGER && !isTransfer(command);
}

/** Returns why a build has to be retried instead of going on here; null when it can go on. */
export function whyNotResumable(recorded: Recorded, offer: ResumeOffer): string | null {
  if (offer.fingerprint === null) return 'the engine that its worker came back to does not serve its builder';
  if (recorded.fingerprint !== offer.fingerprint) return 'its builder is configured differently now';
  if (recorded.adoptions > ADOPTIONS_ALLOWED) return `it has changed engines ${ADOPTIONS_ALLOWED} times`;
  const step = recorded.steps.find(({ results }) => results === null);
  if (step && !step.resumable) return `step '${step.name}' cannot go on half-way`;
  const isLost = recorded.commands.some(
    ({ name, outcome, uuid }) => outcome === null && isHeldByWorker(name) && !offer.held.has(uuid),
  );
  return isLost ? 'its worker came back without it' : null;
}
