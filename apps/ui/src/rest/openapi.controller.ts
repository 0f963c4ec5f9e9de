import { Controller, Get, Header, Inject, Req, UseFilters } from '@nestjs/common';
import { SETTINGS, type UiSettings, VERSION } from '@millrace/master';
import type { FastifyRequest } from 'fastify';
import { Access } from '../access/access.js';
import { Callers } from '../access/callers.js';
import { addressOf } from '../http/api-request.js';
import { ApiErrorFilter } from '../http/api-error.filter.js';
import { ResourceTable } from '../resources/resource-table.js';
import { type OpenApi, openApi } from './openapi.js';
import { openApiPage } from './openapi-page.js';

/** The description of the API, for programs and for people. Who may read resources may read it. */
@Controller('api')
@UseFilters(ApiErrorFilter)
export class OpenApiController {
  private readonly document: OpenApi;
  private readonly page: string;

  constructor(
    private readonly access: Access,
    private readonly callers: Callers,
    table: ResourceTable,
    @Inject(SETTINGS) { publicUrl }: Pick<UiSettings, 'publicUrl'>,
  ) {
    this.document = openApi(table.resources, { url: publicUrl, version: VERSION });
    this.page = openApiPage(this.document);
  }

  @Get('openapi.json')
  async json(@Req() request: FastifyRequest): Promise<OpenApi> {
    await this.check(request);
    return this.document;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
  async html(@Req() request: FastifyRequest): Promise<string> {
    await this.check(request);
    return this.page;
  }

  private async check({ headers, raw }: FastifyRequest): Promise<void> {
    this.access.demand(await this.callers.of(headers, addressOf(raw)), { action: 'view', resource: 'spec' });
  }
}
