import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ReadsModule } from '../reads.module.js';
import { ResourcesModule } from '../resources/resources.module.js';
import { ChangePoller } from './change-poller.js';
import { HintListener } from './hint-listener.js';
import { LiveEvents } from './live-events.js';
import { Subscriptions } from './subscriptions.js';
import { WsGateway } from './ws-gateway.js';

/** Live events for browsers over `/ws`. */
@Module({
  imports: [AccessModule, ReadsModule, ResourcesModule],
  providers: [Subscriptions, LiveEvents, WsGateway, ChangePoller, HintListener],
})
export class LiveModule {}
