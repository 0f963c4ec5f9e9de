import { expect, it } from '@jest/globals';
import { childrenOf } from './children';

const url = (address: string) => ({ name: 'n', url: address });

it.each([
  ['', []],
  ['https://ci.example.org/#/buildrequests/12', [12]],
  ['http://localhost:8010/#/buildrequests/3', [3]],
  ['https://ci.example.org/#/buildrequests/12/more', []],
  ['https://ci.example.org/buildrequests/12', []],
  ['https://ci.example.org/#/builds/12', []],
])('of the links of a step, %j leads to the build requests %j', (address, children) => {
  expect(childrenOf([url('mailto:a@example.org'), url(address)])).toEqual({
    children,
    links: [url('mailto:a@example.org'), ...(children.length === 0 ? [url(address)] : [])],
  });
});
