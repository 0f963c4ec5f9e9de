/** Broken workers for tests and measurements: what they send is the same for the same seed. */
export { Dice } from './dice.js';
export { fuzzMsgpack, msgpackFrames } from './fuzz-msgpack.js';
export { fuzzPb, pbChunks } from './fuzz-pb.js';
export { fuzzRelay, relayFrames } from './fuzz-relay.js';
export type { FuzzedCase } from './fuzzed-case.js';
