import { PER_PAGE, type PullRequestForge } from './kind.js';

/** The path of a project, with its groups. */
const PATH = {
  accepts: (text: string) => text.length <= 190 && /^[\w.-]+(\/[\w.-]+)+$/.test(text),
  expected: "the path of a project: 'group/project'",
};

export const gitlabMerges: PullRequestForge = {
  name: 'gitlab-merges',
  category: 'merge_request',
  apiUrl: 'https://gitlab.com/api/v4',
  compile: (reader) => ({ path: reader.text('path', PATH), magicLink: false }),
  pageUrl: ({ apiUrl, path }, page) =>
    `${apiUrl}/projects/${encodeURIComponent(path)}/merge_requests?state=opened&scope=all&order_by=updated_at&sort=desc&per_page=${PER_PAGE}&page=${page}`,
  filesUrl: ({ apiUrl, path }, number, page) =>
    `${apiUrl}/projects/${encodeURIComponent(path)}/merge_requests/${number}/diffs?per_page=${PER_PAGE}&page=${page}`,
  readFile: (item) => item.required('new_path'),
  headers: (token) => ({ ...(token === null ? {} : { 'private-token': token }) }),
  read(source, item) {
    const number = item.required('iid');
    const head = item.required('sha');
    const { host, origin } = new URL(source.apiUrl);
    const [into, from] = [item.required('target_branch'), item.text('source_branch')];
    const link = item.text('web_url');
    return {
      number,
      head,
      into,
      change: {
        author: item.text('author', 'name') || item.text('author', 'username'),
        committer: null,
        comments: [`MR#${number}: ${item.text('title')}`, item.text('description')]
          .filter((line) => line !== '')
          .join('\n\n'),
        // The list names no other repository than this one, which has the commits of all merge requests under such refs.
        branch: `refs/merge-requests/${number}/head`,
        revision: head,
        revlink: link,
        category: source.category,
        repository: source.repositoryType === 'ssh' ? `git@${host}:${source.path}.git` : `${origin}/${source.path}.git`,
        project: source.project || source.path,
        codebase: source.codebase,
        whenMs: item.whenMs('updated_at'),
        files: [],
        properties: { source_branch: from, target_branch: into, event: 'merge_request', mergerequesturl: link },
      },
    };
  },
};
