import { answered, type Figure, type SystemFigures } from '../figures.js';
import { latencies, rounded } from '../stats.js';
import type { Site, SiteSystem } from '../systems/site.js';
import { readsOf } from './site-reads.js';

const ROUNDS = 20;
const READS = 10;
const WARM_UP_READS = 20;
/** How long the same may be read of one site. What takes longer is read less often. */
const READ_MS = 10_000;

/** A site of one of the systems. */
interface Place {
  readonly system: string;
  readonly builds: number;
  readonly site: Site;
}

/** Measures reads of sites, which take turns, so that other load on the machine slows all of them. */
export async function filters(
  systems: readonly SiteSystem[],
  histories: readonly number[],
  say: (text: string) => void,
): Promise<SystemFigures[]> {
  const places: Place[] = [];
  try {
    for (const { name, most, start } of systems) {
      for (const builds of histories.filter((count) => count <= most)) {
        const startedAt = performance.now();
        const site = await start(builds);
        places.push({ system: name, builds, site });
        await site.writeLongLog();
        const seconds = Math.round((performance.now() - startedAt) / 1000);
        say(`${name}: a site with ${builds} builds was ready after ${seconds} s`);
      }
    }
    const results = systems.map(({ name }): SystemFigures => ({ system: name, figures: [], notes: [] }));
    const nowMs = Date.now();
    for (const what of Object.keys(readsOf(1, nowMs))) {
      const measured = await inTurns(places, ({ builds }) => `/api/v2/${readsOf(builds, nowMs)[what]!}`);
      for (const { system, figures, notes } of results) {
        const own = measured.filter(({ place }) => place.system === system);
        figures.push(...figuresOf(what, own));
        notes.push(...notesOf(what, own));
      }
    }
    return results;
  } finally {
    for (const { site } of places) await site.stop();
  }
}

/** Returns the figures of one read of one system's sites. */
function figuresOf(what: string, measured: readonly Measured[]): Figure[] {
  const all = measured.map(({ place, samplesMs }) => ({ ...latencies(samplesMs), builds: place.builds }));
  const figures = all.flatMap(({ builds, p50Ms, p99Ms }): Figure[] => [
    { name: `${what}: p50, ${builds} builds`, unit: 'ms', better: 'less', value: answered(p50Ms) },
    { name: `${what}: p99, ${builds} builds`, unit: 'ms', better: 'less', value: answered(p99Ms) },
  ]);
  const ratio = all.length > 1 ? all.at(-1)!.p50Ms / all[0]!.p50Ms : NaN;
  if (Number.isFinite(ratio))
    figures.push({ name: `${what}: p50, last / first history`, unit: '×', better: 'less', value: rounded(ratio) });
  return figures;
}

function notesOf(what: string, measured: readonly Measured[]): string[] {
  const rows = measured.map(({ samplesMs, rows: count }) => count && Math.round(count / samplesMs.length));
  const reads = measured.map(({ samplesMs }) => samplesMs.length);
  return [
    ...(rows.includes(null) ? [] : [`${what}: ${rows.join(', ')} rows read for a read`]),
    ...(Math.min(...reads) < ROUNDS * READS ? [`${what}: no more than ${reads.join(', ')} reads in time`] : []),
  ];
}

interface Measured {
  readonly place: Place;
  /** Infinity where there was no answer. */
  readonly samplesMs: number[];
  /** Rows that were read meanwhile; null where they are not counted. */
  rows: number | null;
  /** How long it may still be read. */
  leftMs: number;
}

async function inTurns(places: readonly Place[], pathOf: (place: Place) => string): Promise<Measured[]> {
  const measured = places.map((place): Measured => ({ place, samplesMs: [], rows: 0, leftMs: READ_MS }));
  for (const place of places) await readOften(place.site, pathOf(place), WARM_UP_READS, READ_MS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of measured) {
      if (one.leftMs <= 0) continue;
      const { site } = one.place;
      const startedAt = performance.now();
      const before = await site.rowsRead();
      one.samplesMs.push(...(await readOften(site, pathOf(one.place), READS, one.leftMs)));
      const after = await site.rowsRead();
      if (one.rows !== null) one.rows = before === null ? null : one.rows + after! - before;
      one.leftMs -= performance.now() - startedAt;
    }
  }
  return measured;
}

/** Reads the same so many times one after the other, or as often as it begins within `forMs`. */
async function readOften({ api }: Site, path: string, times: number, forMs: number): Promise<number[]> {
  const untilMs = performance.now() + forMs;
  const samplesMs: number[] = [];
  while (samplesMs.length < times && performance.now() < untilMs) samplesMs.push(await api.getMs(path));
  return samplesMs;
}
