import { Module } from '@nestjs/common';
import { Schedulers } from './schedulers.js';

/** Decides what is built. */
@Module({ providers: [Schedulers], exports: [Schedulers] })
export class SchedulersModule {}
