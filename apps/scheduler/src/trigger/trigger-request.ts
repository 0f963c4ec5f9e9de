import 'reflect-metadata';
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
  type ValidationError,
  validateSync,
} from 'class-validator';
import { PRIORITY_LIMIT } from '@millrace/contracts';
import {
  checkProperties,
  type JsonValue,
  parseJson,
  printable,
  PROPERTY_LIMITS,
  SOURCE_STAMP_LIMITS,
  UserError,
} from '@millrace/domain';

/** The source stamp to build. Missing fields have the values of a build without a change. */
export class TriggerSourceStamp {
  @IsOptional() @IsString() @MaxLength(190) branch?: string;
  @IsOptional() @IsString() @MaxLength(190) revision?: string;
  @IsOptional() @IsString() @MaxLength(2000) repository?: string;
  @IsOptional() @IsString() @MaxLength(190) project?: string;
  @IsOptional() @IsString() @MaxLength(190) codebase?: string;
}

/** The body of `POST /trigger`. */
export class TriggerRequest {
  @IsString() @MaxLength(190) scheduler!: string;
  /** Some of the scheduler's builders; all of them by default. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(1000)
  @IsString({ each: true })
  @MaxLength(190, { each: true })
  builders?: string[];
  @IsOptional() @IsObject() @ValidateNested() @Type(() => TriggerSourceStamp) sourceStamp?: TriggerSourceStamp;
  /** Instead of `sourceStamp`: one source stamp per codebase. */
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SOURCE_STAMP_LIMITS.maxCount)
  @ValidateNested({ each: true })
  @Type(() => TriggerSourceStamp)
  sourceStamps?: TriggerSourceStamp[];
  /** Checked by `checkProperties`. */
  properties?: Readonly<Record<string, JsonValue>>;
  @IsOptional() @IsString() @MaxLength(10_000) reason?: string;
  @IsOptional() @IsInt() @Min(-PRIORITY_LIMIT) @Max(PRIORITY_LIMIT) priority?: number;
}

/** Limits of a body. A property's value is two levels inside. */
const BODY_LIMITS = { maxDepth: PROPERTY_LIMITS.maxDepth + 2, maxValues: 20_000, maxCharacters: 1 << 20 };
const FIELDS = new Set(['scheduler', 'builders', 'sourceStamp', 'sourceStamps', 'properties', 'reason', 'priority']);
const STAMP_FIELDS = new Set(['branch', 'revision', 'repository', 'project', 'codebase']);

/**
 * Reads a body, in time linear in its length. Names are checked first, because class-validator's time grows with the square of the number
 * of unknown names.
 *
 * @throws UserError `json-too-long`, `json-too-deep`, `json-too-many-values`, `bad-json`, `bad-properties`, `bad-trigger` naming each bad
 *   field
 */
export function readTrigger(body: string): TriggerRequest {
  const { properties, ...plain } = membersOf(parseJson(body, BODY_LIMITS, 'the body'), FIELDS, '');
  const { sourceStamp, sourceStamps } = plain;
  if ((sourceStamp ?? null) !== null) membersOf(sourceStamp, STAMP_FIELDS, 'sourceStamp');
  if ((sourceStamps ?? null) !== null) {
    if ((sourceStamp ?? null) !== null)
      throw refused('sourceStamp is given beside sourceStamps: keep one of the two', { field: 'sourceStamp' });
    listOf(sourceStamps, SOURCE_STAMP_LIMITS.maxCount, 'sourceStamps').forEach((stamp, index) =>
      membersOf(stamp, STAMP_FIELDS, `sourceStamps[${index}]`),
    );
  }
  const request = plainToInstance(TriggerRequest, plain);
  const problems = problemsOf(validateSync(request));
  if (problems.length > 0) throw refused(problems.join('; '), { problems: printable(problems.join('; '), 1000) });
  if ((properties ?? null) === null) return request;
  checkProperties(properties);
  request.properties = properties;
  return request;
}

/**
 * Returns an object's members.
 * @throws UserError `bad-trigger` for any other value, and for the first unknown name
 */
function membersOf(value: unknown, known: ReadonlySet<string>, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused(`${where || 'the body'} has to be an object`, where === '' ? {} : { field: where });
  for (const name in value) {
    if (known.has(name)) continue;
    const field = printable(where === '' ? name : `${where}.${name}`, 100);
    throw refused(`${field} should not exist; there are: ${[...known].join(', ')}`, { field });
  }
  return value as Record<string, unknown>;
}

/**
 * Checks the type and length of a list.
 * @throws UserError `bad-trigger`
 */
function listOf(value: unknown, maxCount: number, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refused(`${field} has to be a list`, { field });
  if (value.length > maxCount)
    throw refused(`${field} has ${value.length} members: expected at most ${maxCount}`, { field });
  return value;
}

function problemsOf(errors: readonly ValidationError[], parent = ''): string[] {
  return errors.flatMap(({ property, constraints = {}, children = [] }) => [
    ...Object.values(constraints).map((problem) => `${parent}${problem}`),
    ...problemsOf(children, `${parent}${property}.`),
  ]);
}

function refused(message: string, fields: Readonly<Record<string, unknown>>): UserError {
  return new UserError('bad-trigger', message, fields);
}
