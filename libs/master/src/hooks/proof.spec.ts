import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Proof } from '@millrace/config/hooks';
import { isProven } from './proof.js';

const SECRET = 'a secret: é';
const BODY = '{"a":"é"}';
const hmac = createHmac('sha256', SECRET).update(BODY).digest('hex');
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('isProven', () => {
  const signed: Proof = { kind: 'hmac', header: 'x-sig' };
  const token: Proof = { kind: 'token', header: 'x-token' };
  const authorization: Proof = { kind: 'authorization' };
  it.each<[string, Proof, Record<string, string>, string, boolean]>([
    ['an HMAC', signed, { 'x-sig': `sha256=${hmac}` }, BODY, true],
    ['an HMAC without its algorithm', signed, { 'x-sig': hmac }, BODY, true],
    ['an HMAC of another body', signed, { 'x-sig': hmac }, `${BODY} `, false],
    ['another HMAC', signed, { 'x-sig': `sha256=${'0'.repeat(64)}` }, BODY, false],
    ['another algorithm', signed, { 'x-sig': `sha1=${hmac.slice(0, 40)}` }, BODY, false],
    ['no HMAC', signed, {}, BODY, false],
    ['no body', signed, { 'x-sig': hmac }, '', false],
    ['a token', token, { 'x-token': SECRET }, '', true],
    ['another token', token, { 'x-token': `${SECRET}x` }, '', false],
    ['no token', token, {}, '', false],
    ['a bearer', authorization, { authorization: `bearer ${SECRET}` }, '', true],
    ['another bearer', authorization, { authorization: 'Bearer x' }, '', false],
    ['a password', authorization, { authorization: basic(`anybody:${SECRET}`) }, '', true],
    ['a password as user', authorization, { authorization: basic(SECRET) }, '', false],
    ['another scheme', authorization, { authorization: `Digest ${SECRET}` }, '', false],
    ['nothing', authorization, {}, '', false],
  ])('reads %s', async (_what, proof, headers, body, expected) => {
    expect(await isProven(proof, SECRET, headers, body)).toBe(expected);
  });
});
