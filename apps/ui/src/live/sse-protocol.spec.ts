import { describe, expect, it } from '@jest/globals';
import { sseEvent, ssePlaceOf } from './sse-protocol.js';

describe('ssePlaceOf', () => {
  it.each([
    ['/sse', { kind: 'listen', filter: '' }],
    ['/sse/listen', { kind: 'listen', filter: '' }],
    ['/sse/listen/builds/*/*', { kind: 'listen', filter: 'builds/*/*' }],
    ['/sse/builds/%2A/new', { kind: 'listen', filter: 'builds/*/new' }],
    ['/sse/add', { kind: 'add', id: null, filter: '' }],
    ['/sse/add/', { kind: 'add', id: null, filter: '' }],
    ['/sse/add/xyz/builds/*/*', { kind: 'add', id: 'xyz', filter: 'builds/*/*' }],
    ['/sse/remove/xyz/builds/1/new', { kind: 'remove', id: 'xyz', filter: 'builds/1/new' }],
    ['/sse/builds/%ZZ', { kind: 'listen', filter: 'builds/%ZZ' }],
    [`/sse/${'x'.repeat(5000)}`, { kind: 'listen', filter: 'x'.repeat(500) }],
  ])('%s', (path, place) => {
    expect(ssePlaceOf(path)).toEqual(place);
  });
});

it('writes an event as a name and one line of data', () => {
  expect(sseEvent('event', '{"a":"b\\n"}')).toBe('event: event\ndata: {"a":"b\\n"}\n\n');
});
