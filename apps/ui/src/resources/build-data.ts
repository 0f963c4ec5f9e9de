import type { BuildDataResource } from '@millrace/contracts';
import { BUILD_DATA_SHAPE } from '@millrace/database';
import type { Reads } from '../reads.js';
import { buildAddresses } from './builds.js';
import {
  addressesBelow,
  ifFound,
  type RawText,
  type Resource,
  resource,
  type ResourcePorts,
  smallListBelow,
} from './resource.js';

interface Place {
  readonly buildId: number;
  readonly name: string;
}

/** Values that steps have stored with their build. */
export function buildData({ reads }: ResourcePorts): Resource {
  const { records } = reads;
  const builds = buildAddresses(reads);
  const at = addressesBelow(builds, 'data/s:build_data_name', async (buildId, name: string) => ({ buildId, name }));
  return resource<BuildDataResource, Place>({
    name: 'build_data',
    shape: BUILD_DATA_SHAPE,
    seen: 'with-the-path',
    one: { at, read: ({ buildId, name }) => records.data(buildId, name) },
    reads: [
      ...smallListBelow(builds, 'data', (id) => records.dataOfBuild(id)),
      ...at.map(({ path, id }) => ({
        path: `${path}/value`,
        read: {
          kind: 'raw' as const,
          inline: false,
          read: (args: Parameters<typeof id>[0]) => ifFound(id(args), (place) => valueOf(reads, place)),
        },
      })),
    ],
  });
}

async function valueOf({ records }: Reads, { buildId, name }: Place): Promise<RawText | null> {
  const value = await records.dataValue(buildId, name);
  return value && { type: 'bytes', fileName: name.replaceAll(/[^\w.-]/g, '_'), pieces: piecesOf(value) };
}

async function* piecesOf(value: Buffer): AsyncGenerator<Buffer> {
  yield value;
}
