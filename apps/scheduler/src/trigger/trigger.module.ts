import { Module } from '@nestjs/common';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { HooksModule } from '../hooks/hooks.module.js';
import { TriggerGuard } from './trigger.guard.js';
import { TriggerListener } from './trigger-listener.js';
import { TriggerService } from './trigger.service.js';

/** `POST /trigger` and `POST /change_hook/…`, on a listener of their own. */
@Module({ imports: [ConfigurationModule, HooksModule], providers: [TriggerService, TriggerGuard, TriggerListener] })
export class TriggerModule {}
