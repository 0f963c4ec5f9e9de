import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseMessage, ProtocolViolation } from './messages.js';

describe('parseMessage', () => {
  it.each<[name: string, message: unknown[], expected: object]>([
    [
      'HELLO',
      [1, 'realm1', { roles: {} }],
      { code: 1, realm: 'realm1', authMethods: ['anonymous'], authId: null, takesRevocation: false },
    ],
    [
      'HELLO with everything',
      [
        1,
        'realm1',
        { authmethods: ['ticket'], authid: 'ci', roles: { callee: { features: { registration_revocation: true } } } },
      ],
      { code: 1, realm: 'realm1', authMethods: ['ticket'], authId: 'ci', takesRevocation: true },
    ],
    [
      'HELLO with roles of any shape',
      [1, 'realm1', { authid: null, roles: { callee: null } }],
      { code: 1, realm: 'realm1', authMethods: ['anonymous'], authId: null, takesRevocation: false },
    ],
    ['AUTHENTICATE', [5, 's3cret', {}], { code: 5, signature: 's3cret' }],
    ['GOODBYE', [6, {}, 'wamp.close.normal'], { code: 6 }],
    ['ABORT', [3, {}, 'wamp.error.x'], { code: 3 }],
    [
      'PUBLISH without payload',
      [16, 1, {}, 'a.b'],
      { code: 16, request: 1, topic: 'a.b', acknowledge: false, excludeMe: true, payload: [] },
    ],
    [
      'PUBLISH with everything',
      [16, 2 ** 53, { acknowledge: true, exclude_me: false, unknown: 1 }, 'a', [1], { k: 2 }],
      { code: 16, request: 2 ** 53, topic: 'a', acknowledge: true, excludeMe: false, payload: [[1], { k: 2 }] },
    ],
    ['SUBSCRIBE', [32, 1, {}, 'a'], { code: 32, request: 1, topic: 'a', match: 'exact' }],
    [
      'SUBSCRIBE to a prefix',
      [32, 1, { match: 'prefix' }, 'a.'],
      { code: 32, request: 1, topic: 'a.', match: 'prefix' },
    ],
    ['SUBSCRIBE to everything', [32, 1, { match: 'prefix' }, ''], { code: 32, request: 1, topic: '', match: 'prefix' }],
    ['UNSUBSCRIBE', [34, 1, 7], { code: 34, request: 1, subscription: 7 }],
    ['CALL', [48, 1, {}, 'p', [1]], { code: 48, request: 1, procedure: 'p', payload: [[1]] }],
    ['CANCEL', [49, 1, {}], { code: 49, request: 1 }],
    [
      'REGISTER',
      [64, 1, { force_reregister: true }, 'p'],
      { code: 64, request: 1, procedure: 'p', match: 'exact', invoke: 'single', forceReregister: true },
    ],
    ['UNREGISTER', [66, 1, 7], { code: 66, request: 1, registration: 7 }],
    ['YIELD', [70, 1, {}, [], { k: 1 }], { code: 70, request: 1, payload: [[], { k: 1 }] }],
    ['ERROR', [8, 68, 1, {}, 'e.x', ['why']], { code: 8, request: 1, error: 'e.x', payload: [['why']] }],
  ])('accepts %s', (_name, message, expected) => {
    expect(parseMessage(JSON.stringify(message))).toEqual(expected);
  });

  it.each<[frame: string, complaint: RegExp]>([
    ['', /not JSON/],
    ['[1,', /not JSON/],
    ['{}', /must be a list/],
    ['null', /must be a list/],
    ['[]', /may not send a message of type undefined/],
    ['["1"]', /type "1"/],
    ['[2,1,{}]', /type 2/],
    ['[36,1,1,{}]', /type 36/],
    ['[1]', /HELLO has 1 elements, expected 3 to 3/],
    ['[1,"realm1",[]]', /HELLO\.Details must be a dictionary/],
    ['[1,"",{}]', /HELLO\.Realm is not a URI/],
    ['[1,7,{}]', /HELLO\.Realm must be a string/],
    ['[1,"realm1",{"authmethods":"ticket"}]', /authmethods must be a list/],
    ['[1,"realm1",{"authmethods":[{}]}]', /authmethods must be a string/],
    ['[1,"realm1",{"authid":["x"]}]', /authid must be a string/],
    [`[1,"realm1",{"authid":"${'x'.repeat(1001)}"}]`, /authid is longer than 1000/],
    [`[1,"${'r'.repeat(501)}",{}]`, /HELLO\.Realm is not a URI/],
    [`[5,"${'x'.repeat(1001)}",{}]`, /Signature is longer than 1000/],
    [`[32,1,{"match":"${'m'.repeat(101)}"},"a"]`, /match is longer than 100/],
    [`[32,1,{},"${'a.'.repeat(300)}a"]`, /SUBSCRIBE\.Topic is not a URI/],
    [`[16,1,{},"a",${'['.repeat(30_000)}${']'.repeat(30_000)}]`, /nested more than 32 deep/],
    [`[${'['.repeat(500_000)}`, /nested more than 32 deep/],
    [`[16,1,{},"a",[${'1,'.repeat(20_000)}1]]`, /more than 20000 values/],
    [`["${'x'.repeat(1000)}"]`, /type "x{49}…$/],
    ['[5,null,{}]', /AUTHENTICATE\.Signature must be a string/],
    ['[16,0,{},"a"]', /PUBLISH\.Request must be an integer/],
    ['[16,1.5,{},"a"]', /PUBLISH\.Request must be an integer/],
    ['[16,9007199254740994,{},"a"]', /PUBLISH\.Request must be an integer/],
    ['[16,"1",{},"a"]', /PUBLISH\.Request must be an integer/],
    ['[16,1,null,"a"]', /PUBLISH\.Options must be a dictionary/],
    ['[16,1,{"acknowledge":1},"a"]', /PUBLISH\.Options\.acknowledge must be true or false/],
    ['[16,1,{},"a..b"]', /PUBLISH\.Topic is not a URI/],
    ['[16,1,{},"a b"]', /PUBLISH\.Topic is not a URI/],
    ['[16,1,{},"a#"]', /PUBLISH\.Topic is not a URI/],
    ['[16,1,{},"a."]', /PUBLISH\.Topic is not a URI/],
    ['[16,1,{},"a",{}]', /PUBLISH\.Arguments must be a list/],
    ['[16,1,{},"a",[],[]]', /PUBLISH\.ArgumentsKw must be a dictionary/],
    ['[16,1,{},"a",[],{},1]', /PUBLISH has 7 elements/],
    ['[32,1,{},""]', /SUBSCRIBE\.Topic is not a URI/],
    ['[32,1,{"match":1},"a"]', /SUBSCRIBE\.Options\.match must be a string/],
    ['[34,1,-1]', /UNSUBSCRIBE\.Subscription must be an integer/],
    ['[48,1,{},""]', /CALL\.Procedure is not a URI/],
    ['[8,48,1,{},"e.x"]', /ERROR\.RequestType must be INVOCATION/],
    ['[70,1,{"progress":true}]', /progressive results are not supported/],
  ])('refuses %s', (frame, complaint) => {
    expect(() => parseMessage(frame)).toThrow(ProtocolViolation);
    expect(() => parseMessage(frame)).toThrow(complaint);
  });

  it('answers any input with a message or a violation', () => {
    const code = fc.constantFrom(1, 3, 5, 6, 8, 16, 32, 34, 48, 49, 64, 66, 70, 36, 'x', null);
    const part = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom(1, 68, {}, [], 'a.b', { match: 'prefix' }, { __proto__: null, toString: 1, acknowledge: true }),
    );
    fc.assert(
      fc.property(code, fc.array(part, { maxLength: 7 }), fc.string(), (first, rest, text) => {
        for (const frame of [JSON.stringify([first, ...rest]), text]) {
          try {
            expect(parseMessage(frame).code).toBe(first);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolViolation);
            expect((error as Error).message.length).toBeLessThan(300);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
