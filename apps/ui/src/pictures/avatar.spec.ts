import { describe, expect, it } from '@jest/globals';
import { avatarRequest, gravatarOf, initialsOf, initialsPicture } from './avatar.js';

describe('initialsOf', () => {
  it.each([
    ['Ann Author <ann@example.invalid>', 'AA'],
    ['ann@example.invalid', 'A'],
    ['ann.b.author@example.invalid', 'AA'],
    ['émile zola', 'ÉZ'],
    ['<script>', '?'],
    ['"&<>', '?'],
    ['', '?'],
  ])('%j: %s', (who, initials) => expect(initialsOf(who)).toBe(initials));
});

it.each([
  ['email=ann@example.invalid', '//www.gravatar.com/avatar/b868103e0aba169f3166f5be6357cfd4?d=retro&s=32'],
  ['email=Ann@Example.invalid&size=64', '//www.gravatar.com/avatar/b868103e0aba169f3166f5be6357cfd4?d=retro&s=64'],
  ['', '//www.gravatar.com/avatar/d41d8cd98f00b204e9800998ecf8427e?d=retro&s=32'],
])('leads from %j to Gravatar as Buildbot does', (query, address) => {
  expect(gravatarOf(avatarRequest(new URLSearchParams(query)))).toBe(address);
});

it('draws pictures of a bounded size, each person in one colour', () => {
  const picture = (query: string): string => initialsPicture(avatarRequest(new URLSearchParams(query)));
  expect(picture('email=a@b&size=9999')).toContain('width="512"');
  expect(picture('email=a@b&size=-1')).toContain('width="32"');
  expect(picture('email=a@b')).toBe(picture('email=A@b'));
  expect(picture('username=<b>&email=a@b')).not.toContain('<b>');
});
