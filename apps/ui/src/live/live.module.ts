import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ReadsModule } from '../reads.module.js';
import { ResourcesModule } from '../resources/resources.module.js';
import { ChangePoller } from './change-poller.js';
import { HintListener } from './hint-listener.js';
import { LiveEvents } from './live-events.js';
import { SseController } from './sse.controller.js';
import { Subscriptions } from './subscriptions.js';
import { WsGateway } from './ws-gateway.js';

/** Live events for browsers over `/ws`, and for programs over `/sse`. */
@Module({
  imports: [AccessModule, ReadsModule, ResourcesModule],
  controllers: [SseController],
  providers: [Subscriptions, LiveEvents, WsGateway, ChangePoller, HintListener],
})
export class LiveModule {}
