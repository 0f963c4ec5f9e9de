import type * as database from '@millrace/database';
import { type Guarantee, guaranteeOf } from './guarantees.js';
import { manyForOneCause, noFence } from './interceptors.js';

type Opening = Pick<typeof database, 'intercepted' | 'isUniqueViolation' | 'openDatabase'>;

const folder = new URL('../../../database/dist/', import.meta.url);
const original = (await import(new URL('open.js?original', folder).href)) as Opening;
const { intercepted } = (await import(new URL('intercepted.js', folder).href)) as Opening;

const SABOTAGES: Readonly<Partial<Record<Guarantee, () => database.Interceptor>>> = {
  fence: noFence,
  cause: manyForOneCause,
};
const sabotage = SABOTAGES[guaranteeOf(import.meta.url)];

export const { isUniqueViolation } = original;

/** Opens a database that lacks one guarantee. */
export function openDatabase(...args: Parameters<Opening['openDatabase']>): database.Database {
  const db = original.openDatabase(...args);
  return sabotage ? intercepted(db, sabotage()) : db;
}
