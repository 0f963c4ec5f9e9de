import { Module } from '@nestjs/common';
import { Schedulers } from './schedulers.js';

/** What is decided to be built. */
@Module({ providers: [Schedulers], exports: [Schedulers] })
export class SchedulersModule {}
