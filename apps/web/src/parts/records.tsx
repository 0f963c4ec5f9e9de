import type { BuildDataResource, BuildResource, TestResultResource, TestResultSetResource } from '@millrace/contracts';
import { type ReactNode, useState } from 'react';
import { duration } from '../data/format';
import { useLive } from '../data/live';
import { PUBLIC_PATH } from '../data/public-path';
import { Badge, Loading } from './basics';
import { lookOfResults } from '../data/results';

const SUCCESS = 0;
const FAILURE = 2;

/** The results of tests that the steps of a build have recorded. */
export function TestResults({ build }: { build: BuildResource }): ReactNode {
  const sets = useLive<TestResultSetResource>({
    path: `builds/${build.buildid}/test_result_sets`,
    plural: 'test_result_sets',
    id: (set) => set.test_result_setid,
    topics: [`builds/${build.buildid}/test_result_sets/*/*`],
    compare: (a, b) => a.test_result_setid - b.test_result_setid,
  });
  if (!sets.items?.length) return null;
  return (
    <section>
      <h2>Tests</h2>
      {sets.items.map((set) => (
        <TestSet key={`${set.test_result_setid} ${set.complete}`} set={set} />
      ))}
    </section>
  );
}

function TestSet({ set }: { set: TestResultSetResource }): ReactNode {
  const [isWhole, setIsWhole] = useState(false);
  const failed = set.tests_failed ?? 0;
  const counts = [
    ...(set.tests_failed ? [`${set.tests_failed} failed`] : []),
    ...(set.tests_passed !== null ? [`${set.tests_passed} passed`] : []),
  ].join(', ');
  return (
    <details open={failed > 0} className="tests">
      <summary>
        <Badge look={lookOfResults(failed > 0 ? FAILURE : SUCCESS)} bare /> {set.description ?? set.category}{' '}
        <span className="muted">
          {counts}
          {set.complete ? '' : ' so far'}
        </span>
      </summary>
      {set.category === 'pass_fail' && failed > 0 && <TestTable set={set} filter="value=0&" />}
      {isWhole ? (
        <TestTable set={set} filter={set.category === 'pass_fail' ? 'value__ne=0&' : ''} />
      ) : (
        <button type="button" onClick={() => setIsWhole(true)}>
          {failed > 0 && set.category === 'pass_fail' ? 'Show those that passed' : 'Show all'}
        </button>
      )}
    </details>
  );
}

function TestTable({ set, filter }: { set: TestResultSetResource; filter: string }): ReactNode {
  const results = useLive<TestResultResource>({
    path: `test_result_sets/${set.test_result_setid}/results?${filter}limit=200`,
    plural: 'test_results',
    id: (one) => one.test_resultid,
    topics: [],
    compare: (a, b) => a.test_resultid - b.test_resultid,
  });
  if (!results.items) return <Loading error={results.error} />;
  return (
    <div className="scroll-x">
      <table className="rows">
        <tbody>
          {results.items.map((one) => (
            <tr key={one.test_resultid}>
              <td>
                {set.category === 'pass_fail' ? (
                  <Badge look={lookOfResults(one.value === '0' ? FAILURE : SUCCESS)} />
                ) : (
                  one.value
                )}
              </td>
              <td className="wide">
                {one.test_name ?? one.test_code_path}
                {one.test_name !== null && one.test_code_path !== null && (
                  <span className="muted">
                    {' '}
                    {one.test_code_path}
                    {one.line === null ? '' : `:${one.line}`}
                  </span>
                )}
                {one.message && <pre>{one.message}</pre>}
              </td>
              <td className="muted">{one.duration_ns === null ? '' : duration(one.duration_ns / 1e9)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {results.next && (
        <button type="button" disabled={results.loadingMore} onClick={results.loadMore}>
          More
        </button>
      )}
    </div>
  );
}

/** The values that the steps of a build have stored. */
export function BuildData({ build }: { build: BuildResource }): ReactNode {
  const data = useLive<BuildDataResource>({
    // Its steps may have stored more when it ends.
    path: `builds/${build.buildid}/data${build.complete ? '' : '?'}`,
    plural: 'build_data',
    id: (one) => one.name,
    topics: [],
  });
  if (!data.items?.length) return null;
  return (
    <section>
      <h2>Data</h2>
      <ul>
        {data.items.map(({ name, source, length }) => (
          <li key={name}>
            <a href={`${PUBLIC_PATH}/api/v2/builds/${build.buildid}/data/${encodeURIComponent(name)}/value`}>{name}</a>{' '}
            <span className="muted">
              {source}, {length} bytes
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
