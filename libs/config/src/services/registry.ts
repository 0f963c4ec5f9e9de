import { UnexpectedError } from '@millrace/domain';
import { type FailingBuildsetCancellerDefinition, failingBuildsetCancellerKind } from './failing-buildset-canceller.js';
import type { ServiceKind } from './kind.js';
import { type OldBuildCancellerDefinition, oldBuildCancellerKind } from './old-build-canceller.js';
import { removedBuildersKind } from './removed-builders.js';

/** Every kind of service. */
export const SERVICE_KINDS: readonly ServiceKind[] = [
  oldBuildCancellerKind,
  failingBuildsetCancellerKind,
  removedBuildersKind,
];

/**
 * Returns the kind of a compiled service.
 * @throws UnexpectedError for an unknown kind, from a revision of another release
 */
export function serviceKind(name: string): ServiceKind {
  const kind = SERVICE_KINDS.find((candidate) => candidate.name === name);
  if (!kind) throw new UnexpectedError('unknown-kind', `no service is of the kind '${name}'`, { kind: name });
  return kind;
}

/** A service in a configuration. */
export type ServiceDefinition = OldBuildCancellerDefinition | FailingBuildsetCancellerDefinition;
