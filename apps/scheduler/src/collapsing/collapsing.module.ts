import { Module } from '@nestjs/common';
import { Collapsing } from './collapsing.js';

/** Asks callbacks which requests are collapsed. */
@Module({ providers: [Collapsing], exports: [Collapsing] })
export class CollapsingModule {}
