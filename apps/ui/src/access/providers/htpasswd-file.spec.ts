import { describe, expect, it } from '@jest/globals';
import { verify } from '@node-rs/bcrypt';
import { parseHtpasswd } from './htpasswd-file.js';

// Of 'correct horse', made by crypt(3).
const BCRYPT = '$2y$05$tHBHFiHOEyB6imz81rBtmuYuN3RwT5Q2x5TJt7bdo8Pkb1HeOIEU6';
const APR1 = '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/';
const SHA512 = '$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.';
const withRounds = (rounds: number): string => SHA512.replace('$6$', `$6$rounds=${rounds}$`);

describe('parseHtpasswd', () => {
  it.each([
    ['bcrypt', `ann:${BCRYPT}`, 'bcrypt', BCRYPT],
    ['apr1', `ann:${APR1}`, 'apr1', APR1],
    ['SHA-512', `ann:${SHA512}`, 'sha512', SHA512],
    ['SHA-512 with rounds', `ann:${withRounds(10_000)}`, 'sha512', withRounds(10_000)],
    ['lines of Windows', `\r\n# people\r\nann:${APR1}\r\n`, 'apr1', APR1],
    ['the first of two', `ann:${APR1}\nann:${SHA512}`, 'apr1', APR1],
  ])('reads %s', (_name, text, scheme, hash) => {
    expect(parseHtpasswd(text)).toEqual({ entries: new Map([['ann', { scheme, hash }]]), problems: [] });
  });

  it.each([
    ['plain text', 'ann:secret', 'has no hash that is good enough'],
    ['crypt', 'ann:rqXexS6ZhobKA', 'has no hash that is good enough'],
    ['SHA-1', 'ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', 'has no hash that is good enough'],
    ['nothing', 'ann:', 'has no hash that is good enough'],
    ['a bcrypt hash that takes seconds', `ann:${BCRYPT.replace('$05$', '$15$')}`, 'of cost 15: at most 14'],
    ['rounds without end', `ann:${withRounds(999_999_999)}`, 'has 999999999 rounds'],
    ['few rounds', `ann:${withRounds(1)}`, 'has 1 rounds'],
    ['no name', `:${APR1}`, 'is not NAME:HASH'],
    ['no colon', 'ann', 'is not NAME:HASH'],
  ])('refuses %s, and says so without the hash', (_name, line, problem) => {
    const { entries, problems } = parseHtpasswd(`${line}\nbob:${APR1}`);
    expect([[...entries.keys()], problems.length, problems[0]]).toEqual([['bob'], 1, expect.stringContaining(problem)]);
    const [, hash = ''] = line.split(':');
    if (hash !== '' && hash !== APR1) expect(problems[0]).not.toContain(hash);
  });
});

it('has hashes that the library knows', async () => {
  expect([await verify('correct horse', BCRYPT), await verify('another', BCRYPT)]).toEqual([true, false]);
});
