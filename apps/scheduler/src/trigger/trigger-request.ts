import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, Max, MaxLength, Min, ValidateNested } from 'class-validator';
import { PRIORITY_LIMIT } from '@millrace/contracts';
import type { JsonValue } from '@millrace/domain';

/** What to build; everything that is left out is what the scheduler's builders do without a change. */
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
  /** Some of the scheduler's builders; all of them when left out. */
  @IsOptional() @IsArray() @IsString({ each: true }) builders?: string[];
  @IsOptional() @ValidateNested() @Type(() => TriggerSourceStamp) sourceStamp?: TriggerSourceStamp;
  @IsOptional() @IsObject() properties?: Record<string, JsonValue>;
  @IsOptional() @IsString() @MaxLength(10_000) reason?: string;
  @IsOptional() @IsInt() @Min(-PRIORITY_LIMIT) @Max(PRIORITY_LIMIT) priority?: number;
}
