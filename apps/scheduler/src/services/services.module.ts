import { Module } from '@nestjs/common';
import { Services } from './services.js';

/** Acts beside the schedulers: cancels what need not be built any more. */
@Module({ providers: [Services], exports: [Services] })
export class ServicesModule {}
