interface Url {
  readonly name: string;
  readonly url: string;
}

/** Divides the links of a step into those to build requests that it has triggered, by their ids, and all others. */
export function childrenOf(urls: readonly Url[]): {
  readonly children: readonly number[];
  readonly links: readonly Url[];
} {
  const children: number[] = [];
  const links: Url[] = [];
  for (const url of urls) {
    const [, id] = /\/#\/buildrequests\/(\d{1,15})$/.exec(url.url) ?? [];
    if (id === undefined) links.push(url);
    else children.push(Number(id));
  }
  return { children, links };
}
