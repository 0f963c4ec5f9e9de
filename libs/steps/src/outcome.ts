import type { CommandOutcome } from '@millrace/config';
import { printable, Result } from '@millrace/domain';
import type { Obfuscated } from './obfuscated.js';

/** Returns the step's result for a command's outcome. `decodeRC` maps exit codes; without it only 0 is a success. */
export function resultOf(
  outcome: CommandOutcome,
  decodeRC: Readonly<Record<number, Result>> = { 0: Result.SUCCESS },
): Result {
  if (outcome.workerLost) return Result.RETRY;
  if (outcome.cancelled) return Result.CANCELLED;
  if (outcome.failure !== null) return Result.EXCEPTION;
  if (outcome.rc === null || outcome.failureReason !== null) return Result.FAILURE;
  return decodeRC[outcome.rc] ?? Result.FAILURE;
}

export function succeeded(outcome: CommandOutcome): boolean {
  return resultOf(outcome) === Result.SUCCESS;
}

/** Returns the first two words of a command for a state text: `'make test ...'`. */
export function summaryOf(command: string | readonly (string | Obfuscated)[]): string {
  const parts = typeof command === 'string' ? command.trim().split(/\s+/) : command;
  const words = parts.map((part) => (typeof part === 'string' ? part : part.obfuscated));
  const first = words.slice(0, 2).map((word) => word.split('\n', 1)[0]!.slice(0, 40));
  return `'${first.join(' ')}${words.length > 2 ? ' ...' : ''}'`;
}

/** Says why a command could not be run, or was ended by the worker itself, as the end of a state string. */
export function endedBecause(outcome: CommandOutcome): string {
  if (outcome.workerLost || outcome.cancelled) return '';
  if (outcome.failure !== null) return ` (${printable(pointOf(outcome.failure), 200)})`;
  switch (outcome.failureReason) {
    case 'timeout':
      return ' (took too long)';
    case 'timeout_without_output':
      return ' (no output for too long)';
    case 'max_lines_failure':
      return ' (too many lines)';
    case null:
      return '';
    default:
      return ` (${printable(outcome.failureReason, 200)})`;
  }
}

/** Returns the line of a failure that says what happened: the first one of a failure of Twisted, the last one of a traceback. */
function pointOf(failure: string): string {
  const twisted = /^\[Failure instance: Traceback[^:]*: <class '[^']*'>: (.*)/.exec(failure);
  return twisted?.[1] ?? failure.trim().split('\n').at(-1)!;
}
