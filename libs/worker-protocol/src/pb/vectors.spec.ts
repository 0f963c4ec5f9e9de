import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProtocolError } from '../protocol-error.js';
import { type Banana, BananaDecoder, type Dialect, encodeBanana, Float } from './banana.js';
import { decodeJelly, encodeJelly, Reference, Tagged, Tuple } from './jelly.js';
import { PbCredentials, pbDigest, pbResponse } from './login.js';

const folder = join(import.meta.dirname, '../../test/captures/pb');
const vectors = JSON.parse(readFileSync(join(folder, 'codec-vectors.json'), 'utf8')) as {
  banana: { value: unknown; pb: string; none: string }[];
  jelly: { name: string; sexp: unknown; pb: string }[];
  auth: { password_utf8: string; challenge: string; md5_password: string; response: string }[];
};

/** Converts the JSON notation of vectors and captures to banana. */
function parsed(value: unknown): Banana {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : BigInt(value);
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (Array.isArray(value)) return value.map(parsed);
  const [[kind, content]] = Object.entries(value as object) as [[string, unknown]];
  switch (kind) {
    case 'float':
    case '$float':
      return new Float(Number(content));
    case 'bigint':
    case '$bigint':
      return BigInt(content as string);
    case 'hex':
    case '$hex':
      return Buffer.from(content as string, 'hex');
    default:
      return Buffer.from(content as string, 'utf8');
  }
}

/** Converts byte strings to `Uint8Array`s, because `toEqual` compares classes. */
function comparable(value: Banana): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return Array.isArray(value) ? (value as readonly Banana[]).map(comparable) : value;
}

function decodeAll(bytes: Uint8Array, step = bytes.length): Banana[] {
  const elements: Banana[] = [];
  const decoder = new BananaDecoder((element) => elements.push(element));
  for (let at = 0; at < bytes.length; at += step) decoder.receive(bytes.subarray(at, at + step));
  return elements;
}

const hex = (element: Banana, dialect: Dialect): string => encodeBanana(element, dialect).toString('hex');

describe('banana', () => {
  it.each(['pb', 'none'] as const)('decodes and encodes the vectors of dialect %s', (dialect) => {
    for (const vector of vectors.banana) {
      const value = parsed(vector.value);
      const bytes = Buffer.from(vector[dialect], 'hex');
      for (const step of [bytes.length, 1]) {
        expect(decodeAll(bytes, step).map(comparable)).toEqual([comparable(value)]);
      }
      expect(hex(value, dialect)).toBe(vector[dialect]);
    }
  });

  it('takes an empty prefix as zero and knows no negative zero', () => {
    expect(decodeAll(Buffer.from('818300838082', 'hex'))).toEqual([0, 0, 0, [], Buffer.alloc(0)]);
    expect(decodeAll(Buffer.from('0083', 'hex')).some((zero) => Object.is(zero, -0))).toBe(false);
  });
});

describe('jelly', () => {
  it('decodes every vector', () => {
    const text = (name: string): unknown => decodeJelly(parsed(vectors.jelly.find((one) => one.name === name)!.sexp));
    expect(text('astral str')).toBe('𝄞');
    expect(text('dict')).toEqual(
      new Map<string, unknown>([
        ['k', 'v'],
        ['n', null],
      ]),
    );
    expect(text('nested')).toEqual(new Map<string, unknown>([['l', [new Tuple([1, 2]), new Map([['x', true]])]]]));
    const [first, second] = text('same list twice') as unknown[];
    expect(first).toEqual([1]);
    expect(second).toBe(first);
    expect(text('another Referenceable')).toEqual(new Reference('remote', 2));
    expect(text('decimal')).toEqual(new Tagged('decimal', [-15, -1]));
  });

  it('encodes what it decoded byte for byte', () => {
    // Shared objects are not encoded as shared: they are written out at every occurrence.
    for (const vector of vectors.jelly.filter(({ name }) => name !== 'same list twice')) {
      const [form] = decodeAll(Buffer.from(vector.pb, 'hex'));
      expect([vector.name, hex(encodeJelly(decodeJelly(form!)), 'pb')]).toEqual([vector.name, vector.pb]);
    }
  });

  const word = (text: string): Buffer => Buffer.from(text);
  it.each<[string, Banana]>([
    ['an unknown type', [word('frobnicate'), 1]],
    ['a form without a type', [1, 2]],
    ['an empty form', []],
    ['a boolean that is neither', [word('boolean'), word('maybe')]],
    ['text without a string', [word('unicode'), 5]],
    ['a dictionary of no pairs', [word('dictionary'), [1, 2, 3]]],
    ['a reference to nothing', [word('dereference'), 1]],
    ['a list within itself', [word('reference'), 1, [word('list'), [word('dereference'), 1]]]],
    [
      'lists that refer to the one before twice, thirty deep',
      [
        word('list'),
        ...Array.from({ length: 30 }, (_none, luid): Banana => {
          const inner = luid === 0 ? word('x') : [word('dereference'), luid - 1];
          return [word('reference'), luid, [word('list'), inner, inner]];
        }),
      ],
    ],
    ['a remote object without a number', [word('remote'), word('one')]],
  ])('refuses %s', (_what, form) => {
    expect(() => decodeJelly(form)).toThrow(ProtocolError);
  });
});

describe('the login', () => {
  it.each(vectors.auth)('answers the challenge for $password_utf8', (vector) => {
    const digest = pbDigest(vector.password_utf8);
    const challenge = Buffer.from(vector.challenge, 'hex');
    expect(digest.toString('hex')).toBe(vector.md5_password);
    expect(pbResponse(digest, challenge).toString('hex')).toBe(vector.response);
    const credentials = new PbCredentials('w', challenge, Buffer.from(vector.response, 'hex'));
    expect(credentials.matches(digest)).toBe(true);
    expect(credentials.matches(pbDigest('another'))).toBe(false);
    expect(credentials.matches(undefined)).toBe(false);
    expect(new PbCredentials('w', challenge, Buffer.alloc(3)).matches(digest)).toBe(false);
  });
});

describe.each(readdirSync(folder).filter((name) => name.endsWith('.jsonl')))('%s', (name) => {
  const lines = readFileSync(join(folder, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { hex?: string; sexp?: unknown; dir: string; conn: number })
    .filter((line): line is typeof line & { hex: string } => line.hex !== undefined);

  it('decodes and encodes every message byte for byte', () => {
    for (const { hex: bytes, sexp } of lines) {
      const [element, ...more] = decodeAll(Buffer.from(bytes, 'hex'));
      expect(more).toEqual([]);
      expect(comparable(element!)).toEqual(comparable(parsed(sexp)));
      // The list of dialects and the choice are sent before the vocabulary is in use.
      expect(hex(element!, 'pb')).toBe(bytes);
    }
  });

  it('decodes every argument and answer as jelly and encodes it again', () => {
    let forms = 0;
    for (const { hex: bytes } of lines) {
      const [element] = decodeAll(Buffer.from(bytes, 'hex'));
      if (!Array.isArray(element)) continue;
      for (const part of (element as Banana[]).slice(1).filter((item) => Array.isArray(item))) {
        expect(hex(encodeJelly(decodeJelly(part)), 'pb')).toBe(hex(part, 'pb'));
        forms++;
      }
    }
    expect(forms).toBeGreaterThan(5);
  });

  it('decodes the same in chunks of any size', () => {
    const stream = Buffer.concat(lines.filter(({ dir }) => dir === 'W>M').map((line) => Buffer.from(line.hex, 'hex')));
    const whole = decodeAll(stream).map(comparable);
    for (const step of [stream.length < 20_000 ? 1 : 7, 1000])
      expect(decodeAll(stream, step).map(comparable)).toEqual(whole);
  });
});
