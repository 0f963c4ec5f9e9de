import { EVENTS, type TestResultResource, type TestResultSetResource } from '@millrace/contracts';
import { evaluate, HISTORY_LIMIT, TEST_RESULT_SETS, TEST_RESULTS, withFilter } from '@millrace/database';
import { builderAddresses } from './builders.js';
import { buildAddresses } from './builds.js';
import { address, list, listBelow, type Resource, resource, type ResourcePorts, smallListBelow } from './resource.js';
import { stepAddresses } from './steps.js';

/** Sets of test results that steps have recorded. */
export function testResultSets({ reads }: ResourcePorts): Resource {
  const { records } = reads;
  return resource<TestResultSetResource>({
    name: 'test_result_set',
    shape: TEST_RESULT_SETS.shape,
    seen: (rows, sight) => rows.filter(({ builderid }) => sight.seesBuilder(builderid)),
    one: {
      at: [address('test_result_sets/n:test_result_setid', ([id]) => id)],
      read: async (id) => (await records.testSetsByIds([id]))[0] ?? null,
    },
    reads: [
      list('test_result_sets', (_args, query) => records.testSets(query)),
      ...listBelow(builderAddresses(reads), 'test_result_sets', (id, query) =>
        records.testSets(withFilter(query, 'builderid', id)),
      ),
      ...listBelow(buildAddresses(reads), 'test_result_sets', (id, query) =>
        records.testSets(withFilter(query, 'buildid', id)),
      ),
      ...smallListBelow(stepAddresses(reads), 'test_result_sets', (id) => records.testSetsOfStep(id)),
      // No set of results names a commit, so no range of commits has any.
      list('codebases/n:codebaseid/commit_range/n:commitid1/n:commitid2/test_result_sets', async (_args, query) =>
        evaluate([], query, HISTORY_LIMIT),
      ),
    ],
    events: {
      topic: 'test_result_sets.:id.:event',
      names: EVENTS.test_result_sets,
      load: (ids) => records.testSetsByIds(ids),
      idOf: (set) => set.test_result_setid,
      keys: (set, event) => [
        `test_result_sets/${set.test_result_setid}/${event}`,
        `builds/${set.buildid}/test_result_sets/${set.test_result_setid}/${event}`,
      ],
      found: {
        changed: { in: 'test_result_sets', appeared: 'new', changed: 'completed', vanished: 'completed' },
      },
    },
  });
}

/** Results of single tests. */
export function testResults({ reads: { records } }: ResourcePorts): Resource {
  return resource<TestResultResource>({
    name: 'test_result',
    shape: TEST_RESULTS.shape,
    seen: 'with-the-path',
    reads: [
      list('test_result_sets/n:test_result_setid/results', ([id], query) =>
        records.testResults(withFilter(query, 'test_result_setid', id)),
      ),
    ],
  });
}
