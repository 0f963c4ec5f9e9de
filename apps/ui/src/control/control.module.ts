import { Module } from '@nestjs/common';
import { ResourcesModule } from '../resources/resources.module.js';
import { ControlApi } from './control-api.js';
import { ControlController } from './control.controller.js';

/** JSON-RPC calls to the paths of `/api`. */
@Module({ imports: [ResourcesModule], controllers: [ControlController], providers: [ControlApi] })
export class ControlModule {}
