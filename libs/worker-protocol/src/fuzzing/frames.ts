import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dice } from './dice.js';

const CAPTURES = join(import.meta.dirname, '../../test/captures');

/** Reads what recorded workers sent: a list of frames per connection. */
export function recorded(folder: string, prefix: string): Buffer[][] {
  const path = join(CAPTURES, folder);
  return readdirSync(path)
    .filter((file) => file.startsWith(prefix) && file.endsWith('.jsonl'))
    .map((file) =>
      readFileSync(join(path, file), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { hex?: string; payload_hex?: string; dir?: string })
        .filter(({ dir }) => dir === 'W>M')
        .map(({ hex, payload_hex }) => Buffer.from(hex ?? payload_hex ?? '', 'hex'))
        .filter((frame) => frame.length > 0),
    )
    .filter((frames) => frames.length > 0);
}

/** Returns a frame with bytes changed, inserted or cut off; sometimes unchanged. */
export function damaged(frame: Uint8Array, dice: Dice): Uint8Array {
  let bytes = Buffer.from(frame);
  for (let times = dice.nat(4); times > 0 && bytes.length > 0; times--) {
    const where = dice.nat(bytes.length - 1);
    const how = dice.nat(3);
    if (how === 0) bytes = bytes.subarray(0, where);
    else if (how === 1) bytes = Buffer.concat([bytes.subarray(0, where), dice.bytes(1), bytes.subarray(where)]);
    // The markers of types and lengths are mostly at the beginning of a frame.
    else bytes[how === 2 ? where % 24 : where] = dice.nat(255);
  }
  return bytes;
}

/** Returns some frames of a recorded connection, damaged or not, with garbage between them. */
export function sequence(captures: readonly Buffer[][], longest: number, dice: Dice): Uint8Array[] {
  return Array.from({ length: 1 + dice.nat(longest - 1) }, () =>
    dice.nat(5) === 0 ? dice.bytes(dice.nat(200)) : damaged(dice.pick(dice.pick(captures)), dice),
  );
}
