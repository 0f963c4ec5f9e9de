import { Module } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { ActionModule } from './actions/action.module.js';
import { HooksModule } from './hooks/hooks.module.js';
import { LiveModule } from './live/live.module.js';
import { PicturesModule } from './pictures/pictures.module.js';
import { RestModule } from './rest/rest.module.js';
import { WebModule } from './web/web.module.js';

/** The role `ui`: reads, commands, live events, hooks and the web app. */
@Module({ imports: [AccessModule, RestModule, ActionModule, LiveModule, HooksModule, PicturesModule, WebModule] })
export class UiModule {}
