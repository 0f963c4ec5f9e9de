import type { OpenApi } from './openapi.js';

/** Returns a page about an API for people: every path with what it takes. It needs no scripts. */
export function openApiPage({ info, paths, components }: OpenApi): string {
  const entries = Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = entries.map(([path, { get, post }]) => {
    const asked = (get!['parameters'] as readonly { name: string; in: string }[]).filter((one) => one.in === 'query');
    const methods = post ? methodsOf(post) : [];
    return `<tr><td><code>${escaped(path)}</code></td><td>${escaped(String(get!['tags']))}</td>
      <td>${escaped(asked.map(({ name }) => name).join(', '))}</td><td>${escaped(methods.join(', '))}</td></tr>`;
  });
  const shapes = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${escaped(Object.keys(schema['properties'] ?? {}).join(', '))}</td></tr>`,
  );
  const title = `${String(info['title'])} ${String(info['version'])}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}: API</title>
<style>body{font:14px system-ui,sans-serif;margin:2rem}td,th{padding:.2rem .6rem;text-align:left;vertical-align:top;border-top:1px solid #ccc}</style>
</head><body><h1>${escaped(title)}</h1><p>${escaped(String(info['description']))}</p>
<p>For programs: <a href="openapi.json">openapi.json</a>.</p>
<h2>Paths</h2><table><tr><th>path</th><th>resource</th><th>query</th><th>methods</th></tr>${rows.join('\n')}</table>
<h2>Resources</h2><table><tr><th>resource</th><th>fields</th></tr>${shapes.join('\n')}</table></body></html>
`;
}

function methodsOf(post: object): string[] {
  const body = post as {
    requestBody: { content: { 'application/json': { schema: { properties: { method: { enum: string[] } } } } } };
  };
  return body.requestBody.content['application/json'].schema.properties.method.enum;
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => ESCAPES[letter]!);
}
