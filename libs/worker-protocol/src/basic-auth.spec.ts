import { describe, expect, it } from '@jest/globals';
import { basicAuthorization, parseBasicAuthorization } from './basic-auth.js';

describe('Basic authorization', () => {
  it('parses to the credentials that it was made from', () => {
    const credentials = { name: 'wörker', password: 'a:b c' };
    expect(parseBasicAuthorization(basicAuthorization(credentials))).toEqual(credentials);
    expect(parseBasicAuthorization(undefined)).toBeUndefined();
  });

  it.each(['Bearer abc', 'Basic', 'Basic !!!', 'Basic /w==', `Basic ${Buffer.from('nocolon').toString('base64')}`])(
    'refuses %j',
    (header) => {
      expect(() => parseBasicAuthorization(header)).toThrow(/Authorization header/);
    },
  );
});
