import {
  checkJsonLimits,
  type JsonValue,
  MillraceError,
  printable,
  type Properties,
  UserError,
} from '@millrace/domain';

/** Limits of what a build's steps may store, by their own code or by their commands. */
export const STEP_LIMITS = {
  /** Logs of one step. The engine counts those of commands, too. */
  logs: 200,
  /** The database column has this length. */
  logNameCharacters: 190,
  /** One piece of a step's own text. Appended text is cut into smaller ones. */
  appendCharacters: 1 << 20,
  urls: 100,
  urlNameCharacters: 200,
  urlCharacters: 2000,
  /** Longest state. A longer one is cut. */
  stateCharacters: 1000,
  buildStateCharacters: 4000,
  /** Running commands of one build. */
  commands: 100,
  properties: 1000,
  propertyNameCharacters: 256,
  /** One property's value. */
  propertyCharacters: 64 << 10,
  propertyDepth: 32,
  propertyValues: 10_000,
  /** All properties that a build sets, together. */
  propertiesCharacters: 1 << 20,
  /** Files that one build uploads. */
  uploads: 1000,
  uploadBytes: 8 * 2 ** 30,
  uploadsBytes: 16 * 2 ** 30,
  blobNameCharacters: 1000,
  /** One call of a step's thread to the engine. Files for the worker are the largest. */
  callCharacters: 16 << 20,
  callValues: 200_000,
  callDepth: 40,
} as const;

const STEPS_FAULT: ReadonlySet<string> = new Set([
  'step-limit',
  'bad-call',
  'bad-locks',
  'bad-json',
  'json-too-long',
  'json-too-deep',
  'json-too-many-values',
]);

/** Whether an error is the step's own fault, so that it would happen again. */
export function isStepsFault(error: unknown): boolean {
  return error instanceof MillraceError && STEPS_FAULT.has(error.code);
}

/** Returns the error of a step that exceeds a limit. The step fails. */
export function overStepLimit(what: string, limit: number): UserError {
  return new UserError('step-limit', `${what}: at most ${limit} are allowed`, { limit });
}

/** The log for a step's own failure. There is always room for it. */
export const ERROR_LOG = 'err.text';

/**
 * Checks a name. Its allowed length depends on what it names.
 * @throws UserError `step-limit` for a name that cannot be shown
 */
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

  /** @param names the logs that exist already */
  constructor(names: Iterable<string> = []) {
    this.names = new Set(names);
  }

  /**
   * Counts a log.
   * @throws UserError `step-limit`
   */
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

  /**
   * Counts a link.
   * @throws UserError `step-limit`
   */
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

/** Counts the properties that a build sets. */
export class BuildPropertiesLimit {
  private readonly sizes = new Map<string, number>();
  private characters = 0;

  /**
   * Counts a property.
   * @throws UserError `step-limit`, or as `checkJsonLimits` for a value that is too deep or no JSON
   */
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

/** Counts the uploads of a build. */
export class UploadsLimit {
  private files = 0;
  private bytes = 0;

  /**
   * Counts a file.
   * @throws UserError `step-limit`
   */
  begin(name: string): void {
    const { uploads, blobNameCharacters } = STEP_LIMITS;
    if (name.length > blobNameCharacters)
      throw overStepLimit(`the name of an uploaded file has ${name.length} characters`, blobNameCharacters);
    if (this.files >= uploads)
      throw overStepLimit(`'${printable(name, 100)}' is one upload too many for its build`, uploads);
    this.files++;
  }

  /**
   * Counts bytes of the file.
   * @throws UserError `step-limit`
   */
  add(bytes: number): void {
    this.bytes += bytes;
    const { uploadsBytes } = STEP_LIMITS;
    if (this.bytes > uploadsBytes) throw overStepLimit('bytes that a build uploads', uploadsBytes);
  }
}

/** Returns a state as it is shown: on one line, and cut to a length. */
export function shortState(text: string, maxCharacters: number = STEP_LIMITS.stateCharacters): string {
  return printable(text, maxCharacters);
}
