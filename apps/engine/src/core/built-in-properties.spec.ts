import { describe, expect, it } from '@jest/globals';
import { builtInProperties } from './built-in-properties.js';

const PROJECT = { projectId: 7, name: 'widgets' };
const POSIX = { basedir: '/srv/w1', system: 'posix', environ: {} };

describe('builtInProperties', () => {
  it('names the builder, its project, and the folders of the worker', () => {
    expect(builtInProperties({ builderId: 5, project: PROJECT, builddir: 'tests', folders: POSIX })).toEqual({
      builderid: [5, 'Builder'],
      projectid: [7, 'Builder'],
      projectname: ['widgets', 'Builder'],
      basedir: ['/srv/w1', 'Worker'],
      builddir: ['/srv/w1/tests', 'Worker'],
    });
  });

  it('writes folders as the worker does', () => {
    const folders = { basedir: 'C:\\w', system: 'nt', environ: {} };
    expect(builtInProperties({ builderId: 5, project: null, builddir: 'a/b', folders })).toEqual({
      builderid: [5, 'Builder'],
      basedir: ['C:\\w', 'Worker'],
      builddir: ['C:\\w\\a\\b', 'Worker'],
    });
  });

  it('has no folders before the worker is there', () => {
    expect(Object.keys(builtInProperties({ builderId: 5, project: PROJECT, builddir: 'tests' }))).toEqual([
      'builderid',
      'projectid',
      'projectname',
    ]);
  });
});
