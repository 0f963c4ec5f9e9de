import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ReadsModule } from '../reads.module.js';
import { PagesController } from './pages.controller.js';
import { StockFrontend } from './stock-frontend.js';
import { BUILT_WEB, WEB_FOLDER, WebApp } from './web-app.js';

/** The web app: its pages, its assets, and the data that it needs first. Beside it, Buildbot's own frontend. */
@Module({
  imports: [AccessModule, ReadsModule],
  controllers: [PagesController],
  providers: [WebApp, StockFrontend, { provide: WEB_FOLDER, useValue: BUILT_WEB }],
})
export class WebModule {}
