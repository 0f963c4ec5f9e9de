import type { Dice } from '@millrace/worker-protocol/fuzzing';

/** Values that programs often mishandle. */
const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  'x'.repeat(600),
  '\u0000\u001b[2J\u202e',
  '\ud800',
  '__proto__',
  'constructor',
  [],
  {},
  [[[[[[]]]]]],
  { toString: 1, valueOf: null, length: -1 },
  [1, 'a', null, {}],
];
/** Texts in place of a value that `JSON.stringify` would not write. */
const RAW: readonly ((dice: Dice) => string)[] = [
  (dice) => '['.repeat(1 + dice.nat(200)),
  (dice) => nested(1 + dice.nat(200), '[', ']', '1'),
  (dice) => nested(1 + dice.nat(60), '{"a":', '}', '1'),
  () => nested(15_000, '[', ']', ''),
  (dice) => `[${'1,'.repeat(dice.nat(300))}1]`,
  (dice) => `{${'"k":1,'.repeat(dice.nat(300))}"k":2}`,
  (dice) => `"${'x'.repeat(dice.nat(5_000))}"`,
  () => '{"__proto__":{"cmd":"ping"}}',
  () => '1e999',
  () => '"\\ud800\\u0000"',
  () => 'NaN',
];
const PLACEHOLDER = '@fuzz@';

function nested(depth: number, open: string, close: string, inside: string): string {
  return open.repeat(depth) + inside + close.repeat(depth);
}

/**
 * Returns a message that is broken in some way: one of the seeds, with a part of it replaced, missing, added, or cut off. It is the same
 * for the same dice.
 */
export function fuzzedText(dice: Dice, seeds: readonly unknown[]): string {
  let value: unknown = structuredClone(dice.pick(seeds));
  let raw: string | null = null;
  for (let changes = dice.nat(3); changes > 0; changes--) {
    const isRaw = raw === null && dice.nat(7) === 0;
    if (isRaw) raw = dice.pick(RAW)(dice);
    value = changed(value, dice, isRaw ? PLACEHOLDER : structuredClone(dice.pick(ODD)));
  }
  let text = JSON.stringify(value) ?? '';
  if (raw !== null) text = text.replace(`"${PLACEHOLDER}"`, () => raw);
  return dice.nat(5) === 0 ? garbled(text, dice) : text;
}

/** Picks a place in the value, and puts `odd` there, or removes something. */
function changed(value: unknown, dice: Dice, odd: unknown): unknown {
  if (typeof value !== 'object' || value === null || dice.nat(4) === 0) return odd;
  if (Array.isArray(value)) {
    const items = [...(value as unknown[])];
    const at = dice.nat(items.length);
    if (at === items.length) items.push(odd);
    else if (dice.nat(5) === 0) items.splice(at, 1);
    else items[at] = changed(items[at], dice, odd);
    return items;
  }
  const members = Object.entries(value);
  const at = dice.nat(members.length);
  if (at === members.length) members.push([dice.pick(['extra', 'constructor', 'toString', '']), odd]);
  else if (dice.nat(5) === 0) members.splice(at, 1);
  else members[at] = [members[at]![0], changed(members[at]![1], dice, odd)];
  return Object.fromEntries(members);
}

function garbled(text: string, dice: Dice): string {
  const at = dice.nat(text.length);
  const rest = text.slice(at);
  switch (dice.nat(3)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + dice.bytes(1 + dice.nat(8)).toString('latin1') + rest.slice(1);
    case 2:
      return text.slice(0, at) + dice.pick(['"', '\\', '{', ']', ',', ':', '\u0000']) + rest;
    default:
      return rest + text;
  }
}
