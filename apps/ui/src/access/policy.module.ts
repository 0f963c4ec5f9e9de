import { Module } from '@nestjs/common';
import { ReadsModule } from '../reads.module.js';
import { AccessPolicy } from './access-policy.js';

/** What the configuration says about people. */
@Module({ imports: [ReadsModule], providers: [AccessPolicy], exports: [AccessPolicy] })
export class PolicyModule {}
