import { PRIORITY_LIMIT } from '@millrace/contracts';
import { type JsonValue, printable, UserError } from '@millrace/domain';
import {
  getMetadataStorage,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  type ValidationArguments,
  validateSync,
} from 'class-validator';

/** The posted parameters of an action. */
export type PostedParams = Readonly<Record<string, JsonValue>>;
export type ParamsClass<P extends object> = new () => P;

const MAX_REASON = 10_000;

/** Returns the error message for a parameter of the wrong type. */
export const expected = (what: string) => ({
  message: ({ property, value }: ValidationArguments): string => `${property} is ${shown(value)}: expected ${what}`,
});

const REASON = expected(`a text of at most ${MAX_REASON} characters`);
const PRIORITY = expected(`a whole number from -${PRIORITY_LIMIT} to ${PRIORITY_LIMIT}`);

export class ReasonParams {
  @IsOptional() @IsString(REASON) @MaxLength(MAX_REASON, REASON) reason?: string | null;
}

export class PriorityParams {
  @IsInt(PRIORITY) @Min(-PRIORITY_LIMIT, PRIORITY) @Max(PRIORITY_LIMIT, PRIORITY) priority!: number;
}

export class EnableParams {
  @IsBoolean(expected('true or false')) enabled!: boolean;
}

export class RebuildParams {
  @IsOptional() @IsIn(['all', 'failed'], expected("'all' or 'failed'")) what?: 'all' | 'failed' | null;
}

export class ReplayParams {
  /** Whether changes that were made already are made again. */
  @IsOptional() @IsBoolean(expected('true or false')) again?: boolean;
}

/** Thrown when a form has invalid values. `problems` has a text per field. */
export class FormRefused extends UserError {
  constructor(readonly problems: Readonly<Record<string, string>>) {
    super('bad-form', Object.values(problems).join('; '), { problems });
  }
}

/**
 * Returns the checked parameters of an action.
 * @throws UserError `bad-parameters`
 */
export function validated<P extends object>(Params: ParamsClass<P>, posted: PostedParams): P {
  const { params, problems } = checked(Params, posted);
  const [field] = Object.keys(problems);
  if (field !== undefined) throw new UserError('bad-parameters', Object.values(problems).join('; '), { field });
  return params;
}

/**
 * Checks the posted parameters that a class declares. Returns them with the errors by name. Others are ignored, as in Buildbot; they are
 * removed first, because class-validator's time grows with the square of the number of unknown ones.
 */
export function checked<P extends object>(
  Params: ParamsClass<P>,
  posted: PostedParams,
): { params: P; problems: Record<string, string> } {
  const known = getMetadataStorage().getTargetValidationMetadatas(Params, '', false, false);
  const values = Object.fromEntries(known.map(({ propertyName }) => [propertyName, paramOf(posted, propertyName)]));
  const params = Object.assign(new Params(), values);
  const errors = validateSync(params, { stopAtFirstError: true });
  const problems = errors.map(({ property, constraints = {} }) => [property, Object.values(constraints)[0]!] as const);
  return { params, problems: Object.fromEntries(problems) };
}

/** Returns the posted value of a name, never an inherited property. */
export function paramOf(posted: PostedParams, name: string): JsonValue | undefined {
  return Object.hasOwn(posted, name) ? posted[name] : undefined;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : printable(JSON.stringify(value), 100);
}
