import { Module } from '@nestjs/common';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { TriggerGuard } from './trigger.guard.js';
import { TriggerListener } from './trigger-listener.js';
import { TriggerService } from './trigger.service.js';

/** `POST /trigger`, on a listener of its own. */
@Module({ imports: [ConfigurationModule], providers: [TriggerService, TriggerGuard, TriggerListener] })
export class TriggerModule {}
