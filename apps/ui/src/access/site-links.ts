import { UserError, withoutPublicPath } from '@millrace/domain';
import type { UiSettings } from '@millrace/master';
import type { FastifyRequest } from 'fastify';
import { isOfStock, STOCK_PATH } from '../web/stock-paths.js';
import { redirectTo } from './redirect.js';

type Settings = Pick<UiSettings, 'publicUrl' | 'listenerRule'>;

/** Returns the address of the pages that a request came from: the web app's, or those of Buildbot's frontend. */
export function siteOf({ publicUrl, listenerRule }: Settings, { originalUrl }: FastifyRequest): string {
  return isOfStock(withoutPublicPath(listenerRule, originalUrl)) ? `${publicUrl}${STOCK_PATH}` : publicUrl;
}

/** Returns where a request to sign in or out leads: to a page of those that it came from. */
export function targetOf(settings: Settings, request: FastifyRequest, redirect: unknown): string {
  return redirectTo(siteOf(settings, request), redirect);
}

/**
 * Refuses a link from another site to sign in or out: a GET has no `Origin`, but browsers say where a link is.
 * @throws UserError `forbidden`
 */
export function refuseForeign(request: FastifyRequest): void {
  if (request.headers['sec-fetch-site'] === 'cross-site')
    throw new UserError('forbidden', 'other sites may not sign anybody in or out here');
}
