import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, MaxLength, ValidateNested } from 'class-validator';
import type { JsonValue } from '@millrace/domain';

/** What to build; everything that is left out is what the scheduler's builders do without a change. */
export class TriggerSourceStamp {
  @IsOptional() @IsString() @MaxLength(190) branch?: string;
  @IsOptional() @IsString() @MaxLength(190) revision?: string;
  @IsOptional() @IsString() repository?: string;
  @IsOptional() @IsString() project?: string;
  @IsOptional() @IsString() codebase?: string;
}

/** The body of `POST /trigger`. */
export class TriggerRequest {
  @IsString() scheduler!: string;
  /** Some of the scheduler's builders; all of them when left out. */
  @IsOptional() @IsArray() @IsString({ each: true }) builders?: string[];
  @IsOptional() @ValidateNested() @Type(() => TriggerSourceStamp) sourceStamp?: TriggerSourceStamp;
  @IsOptional() @IsObject() properties?: Record<string, JsonValue>;
  @IsOptional() @IsString() @MaxLength(10_000) reason?: string;
  @IsOptional() @IsInt() priority?: number;
}
