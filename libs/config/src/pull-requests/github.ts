import { PER_PAGE, type PullRequestForge } from './kind.js';

/** A part of the name of a repository. */
const NAME = {
  accepts: (text: string) => /^[\w.-]{1,100}$/.test(text) && !/^\.+$/.test(text),
  expected: 'a name of letters, digits, dots, dashes and underscores',
};

export const githubPulls: PullRequestForge = {
  name: 'github-pulls',
  category: 'pull',
  apiUrl: 'https://api.github.com',
  compile: (reader) => ({
    path: `${reader.text('owner', NAME)}/${reader.text('repo', NAME)}`,
    magicLink: reader.boolean('magicLink', false),
  }),
  pageUrl: ({ apiUrl, path }, page) =>
    `${apiUrl}/repos/${path}/pulls?state=open&sort=updated&direction=desc&per_page=${PER_PAGE}&page=${page}`,
  filesUrl: ({ apiUrl, path }, number, page) =>
    `${apiUrl}/repos/${path}/pulls/${number}/files?per_page=${PER_PAGE}&page=${page}`,
  readFile: (item) => item.required('filename'),
  headers: (token) => ({
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  }),
  read(source, item) {
    const number = item.required('number');
    const head = item.required('head', 'sha');
    const { magicLink, repositoryType } = source;
    // The repository of a head is gone when somebody has deleted the fork: the base has its commits still.
    const ownsHead = !magicLink && !item.at('head', 'repo').isMissing;
    const repository = item.at(ownsHead ? 'head' : 'base', 'repo');
    const link = item.text('html_url');
    return {
      number,
      head,
      into: item.required('base', 'ref'),
      change: {
        author: item.text('user', 'login'),
        committer: null,
        comments: [`pull-request #${number}: ${item.text('title')}`, link, item.text('body')]
          .filter((line) => line !== '')
          .join('\n'),
        branch: ownsHead ? item.required('head', 'ref') : `refs/pull/${number}/${magicLink ? 'merge' : 'head'}`,
        revision: head,
        revlink: link,
        category: source.category,
        repository: repository.required(repositoryType === 'ssh' ? 'ssh_url' : 'clone_url'),
        project: source.project || item.text('base', 'repo', 'full_name'),
        codebase: source.codebase,
        whenMs: item.whenMs('updated_at'),
        files: [],
        properties: {
          pullrequesturl: link,
          basename: item.text('base', 'ref'),
          event: 'pull_request',
        },
      },
    };
  },
};
