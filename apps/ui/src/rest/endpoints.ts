import type { Page, ResourceQuery, ResourceShape } from '@millrace/database';
import type { PathArgument } from '../resources/path-table.js';

/** What one path of `/api/v2` answers. */
export type Endpoint =
  | {
      readonly kind: 'collection';
      readonly shape: ResourceShape;
      /** Null: the parent does not exist. */
      list(args: readonly PathArgument[], query: ResourceQuery): Promise<Page<object> | null>;
    }
  | {
      readonly kind: 'single';
      readonly shape: ResourceShape;
      get(args: readonly PathArgument[], properties: readonly string[]): Promise<object | null>;
    }
  | {
      readonly kind: 'lines';
      readonly logId: (args: readonly PathArgument[]) => Promise<number | null>;
    }
  | {
      readonly kind: 'raw';
      readonly logId: (args: readonly PathArgument[]) => Promise<number | null>;
      readonly inline: boolean;
    };

/** The start of a path that names one row, and how to find its id. */
export interface Prefix {
  readonly pattern: string;
  readonly id: (args: readonly PathArgument[]) => Promise<number | null>;
}

export const PROPERTIES_SHAPE: ResourceShape = { plural: 'properties', id: '', fields: {} };
