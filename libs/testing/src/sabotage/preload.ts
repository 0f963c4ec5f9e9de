import { register } from 'node:module';
import { guaranteeOf } from './guarantees.js';

/**
 * Loaded before anything else by every process of a sabotaged cluster (`sabotageEnvironment`). It replaces the modules that keep a
 * guarantee by modules of this folder, without any change to the originals.
 */
register('./replacing.js', import.meta.url, { data: guaranteeOf(import.meta.url) });
