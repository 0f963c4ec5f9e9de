import { locate } from '../../location.js';
import { compilePage, HTTP_URL, type PageProviderOptions, type ProviderKind } from './kind.js';

export interface GithubOptions extends PageProviderOptions {
  /** Whose members may sign in. Only these are groups then. Default: everybody, and all organisations of a person are groups. */
  readonly organisations?: readonly string[];
  /** Whether teams are groups as well, named `ORGANISATION/TEAM`. Default false. */
  readonly teams?: boolean;
  /** That of an installation of one's own. Default `https://github.com`. */
  readonly url?: string;
  /** Default `https://api.github.com`, or `/api/v3` of the `url`. */
  readonly apiUrl?: string;
}

export interface GithubDefinition extends GithubOptions {
  readonly kind: 'github';
}

/** People sign in at GitHub. Organisations, and teams if wanted, are groups. */
export function github(options: GithubOptions): GithubDefinition {
  return locate(github, { ...options, kind: 'github' });
}

const PUBLIC = 'https://github.com';

export const githubKind: ProviderKind = {
  kind: 'github',
  label: 'GitHub',
  compile(reader) {
    const url = reader.text('url', { default: PUBLIC, ...HTTP_URL }).replace(/\/+$/, '');
    const apiUrl = url === PUBLIC ? 'https://api.github.com' : `${url}/api/v3`;
    const organisations = reader.texts('organisations');
    if (organisations.length > 100 || !organisations.every((name) => /^[\w.-]{1,100}$/.test(name)))
      reader.problem('organisations', 'a list of at most 100 names of organisations');
    return {
      ...{ url, apiUrl: reader.text('apiUrl', { default: apiUrl, ...HTTP_URL }).replace(/\/+$/, '') },
      ...compilePage(reader, 'fa-github'),
      organisations,
      teams: reader.boolean('teams', false),
    };
  },
};
