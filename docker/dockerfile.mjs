/** Parses `docker/Dockerfile` and `.dockerignore`, with the syntax that ours use, for the rehearsal and for the tests. */

/**
 * Returns the stages in order: `{ name, base, steps: [{ instruction, rest }] }`. Lines that end in a backslash are joined, comments are
 * removed, and `ARG`s before the first stage are filled in.
 *
 * @typedef {{ name: string, base: string, steps: { instruction: string, rest: string }[] }} Stage
 * @param {string} text
 * @returns {Stage[]}
 */
export function stagesOf(text) {
  const args = {};
  const stages = [];
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter(Boolean);
  for (const line of lines) {
    const [, instruction, written] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (instruction === undefined) throw new Error(`docker/Dockerfile: not understood: ${line}`);
    const rest = written.replace(/\$\{(\w+)\}/g, (whole, name) => args[name] ?? whole);
    if (instruction === 'ARG' && stages.length === 0) {
      const [name, value] = rest.split('=');
      args[name] = value;
    } else if (instruction === 'FROM') {
      const [, base, name] = /^(\S+) AS (\S+)$/.exec(rest);
      stages.push({ name, base, steps: [] });
    } else stages.at(-1).steps.push({ instruction, rest });
  }
  return stages;
}

/**
 * Parses a `COPY`: the stage it copies from (null: the context), the sources and the target.
 *
 * @param {string} rest
 */
export function copyOf(rest) {
  const words = rest.split(/\s+/);
  const from = /^--from=(.+)$/.exec(words[0])?.[1] ?? null;
  const paths = from === null ? words : words.slice(1);
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) };
}

/**
 * Returns a function that tells whether a path is excluded from the build context. None of our patterns begins with `!`.
 *
 * @param {string} text
 * @returns {(path: string) => boolean}
 */
export function ignores(text) {
  const patterns = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((pattern) => {
      const source = pattern
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replace(/\*\*\//g, '\0')
        .replace(/\*/g, '[^/]*')
        .replace(/\0/g, '(?:.*/)?');
      return new RegExp(`^${source}(?:/|$)`);
    });
  return (path) => patterns.some((pattern) => pattern.test(path));
}
