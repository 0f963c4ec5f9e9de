import { describe, expect, it } from '@jest/globals';
import { workerPath } from './worker-path.js';

const unix = { basedir: '/srv/worker', system: 'posix', environ: { HOME: '/home/w' } };
const windows = { basedir: 'C:\\worker', system: 'nt', environ: { USERPROFILE: 'C:\\Users\\w' } };

describe('workerPath', () => {
  it.each([
    [unix, 'b', [], '/srv/worker/b'],
    [unix, 'b', ['build', 'x.txt'], '/srv/worker/b/build/x.txt'],
    [unix, 'b', ['build', '/etc/x'], '/etc/x'],
    [unix, '/elsewhere', ['x'], '/elsewhere/x'],
    [unix, 'b', ['build', '~/x'], '/home/w/x'],
    [unix, 'b', ['build', '~x'], '/srv/worker/b/build/~x'],
    [unix, 'b', ['build/../other'], '/srv/worker/b/other'],
    [windows, 'b', ['build', 'a/x'], 'C:\\worker\\b\\build\\a\\x'],
    [windows, 'b', ['D:\\x'], 'D:\\x'],
    [windows, 'b', ['~\\x'], 'C:\\Users\\w\\x'],
  ])('on %j joins %j and %j to %j', (worker, builddir, parts, path) => {
    expect(workerPath(worker, builddir, parts)).toBe(path);
  });
});
