import { register } from 'node:module';
import { guaranteeOf } from './guarantees.js';

/**
 * Loaded before anything else by every process of a sabotaged cluster (`sabotageEnvironment`): puts modules of this folder in the place of the
 * ones that guarantee something, which know nothing of it.
 */
register('./replacing.js', import.meta.url, { data: guaranteeOf(import.meta.url) });
