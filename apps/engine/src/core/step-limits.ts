import {
  checkJsonLimits,
  type JsonValue,
  MillraceError,
  printable,
  type Properties,
  UserError,
} from '@millrace/domain';

/** The most that a build's steps may leave behind, whether by their own code or by what they run. */
export const STEP_LIMITS = {
  /** Of one step; the engine counts those that commands write into, too. */
  logs: 200,
  /** As far as the database takes it. */
  logNameCharacters: 190,
  /** One piece of a step's own text; what a step appends is cut into smaller ones. */
  appendCharacters: 1 << 20,
  urls: 100,
  urlNameCharacters: 200,
  urlCharacters: 2000,
  /** What is longer is cut. */
  stateCharacters: 1000,
  buildStateCharacters: 4000,
  /** Commands that one build has under way. */
  commands: 100,
  properties: 1000,
  propertyNameCharacters: 256,
  /** One property's value. */
  propertyCharacters: 64 << 10,
  propertyDepth: 32,
  propertyValues: 10_000,
  /** All that a build sets, together. */
  propertiesCharacters: 1 << 20,
  /** Files that one build uploads. */
  uploads: 1000,
  uploadBytes: 8 * 2 ** 30,
  uploadsBytes: 16 * 2 ** 30,
  blobNameCharacters: 1000,
  /** What a step's thread asks of the engine at once: files for the worker are the largest. */
  callCharacters: 16 << 20,
  callValues: 200_000,
  callDepth: 40,
} as const;

const STEPS_FAULT: ReadonlySet<string> = new Set([
  'step-limit',
  'bad-call',
  'bad-json',
  'json-too-long',
  'json-too-deep',
  'json-too-many-values',
]);

/** A step asked for what nobody gets: it would do so again. */
export function isStepsFault(error: unknown): boolean {
  return error instanceof MillraceError && STEPS_FAULT.has(error.code);
}

/** A step leaves more than it may: it fails with this. */
export function overStepLimit(what: string, limit: number): UserError {
  return new UserError('step-limit', `${what}: at most ${limit} are allowed`, { limit });
}

/** Where a step's own failure is told, which finds room always. */
export const ERROR_LOG = 'err.text';

/** @throws UserError `step-limit` for a name that cannot be shown; how long it may be depends on what it names */
function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === 'string' && name !== '' && !/\p{Cc}/u.test(name)) return;
  throw new UserError(
    'step-limit',
    `'${printable(String(name), 40)}' is no name for a ${what}: expected characters, and no control characters among them`,
  );
}

/** Counts the different logs of one step. */
export class StepLogs {
  private readonly names: Set<string>;

  /** @param names those that it has already */
  constructor(names: Iterable<string> = []) {
    this.names = new Set(names);
  }

  /** @throws UserError `step-limit` */
  add(name: string): void {
    if (this.names.has(name)) return;
    checkName('log', name);
    const { logs, logNameCharacters } = STEP_LIMITS;
    if (name.length > logNameCharacters)
      throw overStepLimit(
        `the log '${printable(name, 40)}' has a name of ${name.length} characters`,
        logNameCharacters,
      );
    if (this.names.size >= logs && name !== ERROR_LOG)
      throw overStepLimit(`'${printable(name, 100)}' is one log too many for its step`, logs);
    this.names.add(name);
  }

  /** Adds the name, or the other one where there is no room for it. Returns the one that was added. */
  addOr(name: string, other: string): string {
    const { logs } = STEP_LIMITS;
    const chosen = this.names.has(name) || this.names.size < logs ? name : other;
    this.names.add(chosen);
    return chosen;
  }
}

/** Counts the links of one step. */
export class StepUrls {
  private readonly known = new Set<string>();

  /** @throws UserError `step-limit` */
  add({ name, url }: { readonly name: string; readonly url: string }): void {
    const { urls, urlNameCharacters, urlCharacters } = STEP_LIMITS;
    checkName('link', name);
    if (name.length > urlNameCharacters)
      throw overStepLimit(
        `the link '${printable(name, 40)}' has a name of ${name.length} characters`,
        urlNameCharacters,
      );
    if (url.length > urlCharacters)
      throw overStepLimit(
        `the address of the link '${printable(name, 40)}' has ${url.length} characters`,
        urlCharacters,
      );
    if (!URL.canParse(url) || !/^(?:https?|mailto):$/.test(new URL(url).protocol))
      throw new UserError(
        'step-limit',
        `the link '${printable(name, 40)}' leads to '${printable(url, 100)}': expected an address of http, https or mailto`,
      );
    const key = JSON.stringify([name, url]);
    if (this.known.has(key)) return;
    if (this.known.size >= urls)
      throw overStepLimit(`'${printable(name, 40)}' is one link too many for its step`, urls);
    this.known.add(key);
  }
}

/** Counts what a build sets of properties. */
export class BuildPropertiesLimit {
  private readonly sizes = new Map<string, number>();
  private characters = 0;

  /** @throws UserError `step-limit`, or as `checkJsonLimits` for a value that is too deep or no JSON */
  add(name: string, value: JsonValue): void {
    const { properties, propertyNameCharacters, propertiesCharacters } = STEP_LIMITS;
    checkName('property', name);
    if (name.length > propertyNameCharacters)
      throw overStepLimit(
        `the property '${printable(name, 40)}' has a name of ${name.length} characters`,
        propertyNameCharacters,
      );
    checkJsonLimits(
      value,
      {
        maxDepth: STEP_LIMITS.propertyDepth,
        maxValues: STEP_LIMITS.propertyValues,
        maxCharacters: STEP_LIMITS.propertyCharacters,
      },
      `the property '${printable(name, 40)}'`,
    );
    const size = name.length + JSON.stringify(value ?? null).length;
    const before = this.sizes.get(name);
    if (before === undefined && this.sizes.size >= properties)
      throw overStepLimit(`'${printable(name, 40)}' is one property too many for its build`, properties);
    const after = this.characters + size - (before ?? 0);
    if (after > propertiesCharacters)
      throw overStepLimit(
        `the build's properties have ${after} characters with '${printable(name, 40)}'`,
        propertiesCharacters,
      );
    this.sizes.set(name, size);
    this.characters = after;
  }

  addAll(properties: Properties): void {
    for (const [name, [value]] of Object.entries(properties)) this.add(name, value);
  }
}

/** Counts what a build uploads. */
export class UploadsLimit {
  private files = 0;
  private bytes = 0;

  /** @throws UserError `step-limit` */
  begin(name: string): void {
    const { uploads, blobNameCharacters } = STEP_LIMITS;
    if (name.length > blobNameCharacters)
      throw overStepLimit(`the name of an uploaded file has ${name.length} characters`, blobNameCharacters);
    if (this.files >= uploads)
      throw overStepLimit(`'${printable(name, 100)}' is one upload too many for its build`, uploads);
    this.files++;
  }

  /** @throws UserError `step-limit` */
  add(bytes: number): void {
    this.bytes += bytes;
    const { uploadsBytes } = STEP_LIMITS;
    if (this.bytes > uploadsBytes) throw overStepLimit('bytes that a build uploads', uploadsBytes);
  }
}

/** A state as it is shown: on one line, and not longer than a line should be. */
export function shortState(text: string, maxCharacters: number = STEP_LIMITS.stateCharacters): string {
  return printable(text, maxCharacters);
}
