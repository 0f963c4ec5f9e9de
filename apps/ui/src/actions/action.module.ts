import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ResourcesModule } from '../resources/resources.module.js';
import { ActionApi } from './action-api.js';
import { ActionController } from './action.controller.js';

/** JSON-RPC calls to the paths of `/api`. */
@Module({ imports: [AccessModule, ResourcesModule], controllers: [ActionController], providers: [ActionApi] })
export class ActionModule {}
