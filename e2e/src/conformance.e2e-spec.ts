import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, eventually } from '@millrace/testing';
import { WebSocket } from 'ws';
import { type Answer, differenceOf } from './conformance/difference.js';
import { listed, readRecording, verdict } from './conformance/recording.js';
import { TestRepository } from './git-repository.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

const RECORDING = readRecording();
const PATIENT = { timeoutMs: 60_000 };
/** The bus makes no difference to answers, so one MariaDB stack is enough. */
const STACKS = availableStacks().filter((name) => name !== 'MariaDB + NATS');

type Row = Readonly<Record<string, unknown>>;
type Answered = Readonly<Record<string, Row[]>> & { readonly result: readonly [number, Record<string, number>] };

describe.each(STACKS)('what Buildbot answers, Millrace answers, on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let socket: WebSocket;
  const topics = new Set<string>();
  const places: Record<string, string> = {};

  const ask = async (
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Answer> => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${cluster.url}`, { method, path, headers }, resolve).on('error', reject).end(body);
    });
    const type = (response.headers['content-type'] ?? '').split(';')[0]!.trim();
    return { status: response.statusCode!, type, text: await text(response) };
  };
  const api = async (path: string): Promise<Answered> =>
    JSON.parse((await ask('GET', `/api/v2/${path}`, { accept: 'application/json' })).text) as Answered;
  const call = async (path: string, method: string, params: object): Promise<Answered> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    return JSON.parse(
      (await ask('POST', `/api/v2/${path}`, { 'content-type': 'application/json' }, body)).text,
    ) as Answered;
  };
  const force = async (builderId: number): Promise<{ buildset: number; request: number }> => {
    const { result } = await call('forceschedulers/force', 'force', {
      builderid: builderId,
      branch: 'main',
      notes: 'hi',
    });
    return { buildset: result[0], request: Object.values(result[1])[0]! };
  };
  const buildOf = async (requestId: number): Promise<Row> => {
    let build: Row | undefined;
    await eventually(async () => {
      build = (await api(`buildrequests/${requestId}/builds`))['builds']![0];
      return build !== undefined;
    }, PATIENT);
    return build!;
  };
  const ended = (requestId: number) =>
    eventually(async () => (await api(`buildrequests/${requestId}`))['buildrequests']![0]!['complete'], PATIENT);
  const filled = (template: string): string =>
    template.replace(/\{(\w+)\}/g, (_whole, place: string) => places[place]!);

  beforeAll(async () => {
    stack = await startStack(name);
    const repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    cluster = await stack.start(join(FIXTURES, 'conformance.config.ts'), {
      E2E_REPOSITORY: repository.url,
      MILLRACE_LEASE_MS: '20000',
    });
    socket = new WebSocket(`${cluster.url.replace('http', 'ws')}/ws`);
    socket.on('message', (data: Buffer) => {
      const { k } = JSON.parse(data.toString()) as { k?: string };
      if (k) topics.add(k.replace(/\/\d+(?=\/)/g, '/N').replace(/\/logs\/(?!N\/)[^/]+/, '/logs/SLUG'));
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    for (let length = 1; length <= 7; length++)
      socket.send(JSON.stringify({ cmd: 'startConsuming', path: Array(length).fill('*').join('/'), _id: length }));

    repository.commit('good again');
    const { builders } = await api('builders');
    const ids = new Map(builders!.map((builder) => [builder['name'], builder['builderid'] as number]));
    const forced = new Map<string, { buildset: number; request: number }>();
    for (const builder of ['linux-tests', 'docs', 'bad builder/with odd', 'exc', 'parent'])
      forced.set(builder, await force(ids.get(builder)!));
    for (const { request: requestId } of forced.values()) await ended(requestId);
    const tests = forced.get('linux-tests')!;
    // The first one was made for a change.
    const first = (await api('builders/linux-tests/builds/1'))['builds']![0]!;
    await ended(first['buildrequestid'] as number);
    await ended(Object.values((await call(`builds/${String(first['buildid'])}`, 'rebuild', {})).result[1])[0]!);
    const slow = await force(ids.get('slow')!);
    await call(`builds/${String((await buildOf(slow.request))['buildid'])}`, 'stop', { reason: 'r' });
    await ended(slow.request);
    const starved = await force(ids.get('starved')!);
    await call(`buildrequests/${starved.request}`, 'set_priority', { priority: 7 });
    await call(`buildrequests/${starved.request}`, 'cancel', { reason: 'r' });
    await force(ids.get('starved')!);

    const buildId = String(first['buildid']);
    const step = (await api(`builds/${buildId}/steps`))['steps']!.find((one) => one['name'] === 'rich')!;
    const { logs } = await api(`steps/${String(step['stepid'])}/logs`);
    const { masters } = await api('masters');
    const master = (role: string): string => String(masters!.find((one) => one['role'] === role)!['masterid']);
    Object.assign(places, {
      build: buildId,
      parent: String((await buildOf(forced.get('parent')!.request))['buildid']),
      step: String(step['stepid']),
      stepNumber: String(step['number']),
      log: String(logs!.find((log) => log['slug'] === 'stdio')!['logid']),
      htmlLog: String(logs!.find((log) => log['name'] === 'report.html')!['logid']),
      request: String(tests.request),
      buildset: String(tests.buildset),
      engine: master('engine'),
      scheduler: master('scheduler'),
      worker: 'local',
      url: cluster.url,
    });
  }, 240_000);
  afterAll(async () => {
    socket.close();
    await cluster.stop();
    await stack.stop();
  });

  it('gives every recorded answer, but for those that are listed', async () => {
    const differences = new Map<string, string>();
    for (const sample of RECORDING.samples) {
      const posted = sample.body === undefined ? undefined : sample.body;
      const headers = {
        accept: 'application/json',
        ...(posted === undefined ? {} : { 'content-type': 'application/json' }),
        ...sample.headers,
      };
      const path = encodeURI(filled(sample.path)).replaceAll('%25', '%');
      const answer = await ask(
        sample.method ?? 'GET',
        path,
        Object.fromEntries(
          Object.entries(headers).flatMap(([key, value]) => (value === 'none' ? [] : [[key, filled(value)]])),
        ),
        typeof posted === 'string' || posted === undefined ? posted : JSON.stringify(posted),
      );
      const difference = differenceOf(sample, answer, RECORDING.fields);
      if (difference !== null) differences.set(sample.name, difference);
    }
    expect(verdict(differences, listed('Answers'))).toEqual({ notListed: [], notDifferent: [] });
  }, 180_000);

  it('has every path, but for those that are listed', async () => {
    const plain = (path: string): string =>
      path.replace(/^\/|(?<=^|\/)[nis]?:\w+/g, (part) => (part === '/' ? '' : ':'));
    const { specs } = await api('application.spec');
    const here = new Set(specs!.map((spec) => plain(spec['path'] as string)));
    const missing = RECORDING.paths.filter((path) => !here.has(plain(path)));
    expect(verdict(new Map(missing.map((path) => [path, 'is not there'])), listed('Paths'))).toEqual({
      notListed: [],
      notDifferent: [],
    });
  });

  it('answers what the stock frontend reads, but for what is listed', async () => {
    const differences = new Map<string, string>();
    for (const path of RECORDING.frontend) {
      const { status, type, text: body } = await ask('GET', path, { accept: 'application/json' });
      const isAnswered = path.startsWith('/api/')
        ? type === 'application/json' || (status === 404 && body.includes('"not-found"'))
        : status === 302 || (status < 400 && type !== 'text/html');
      if (!isAnswered) differences.set(path.replace(/\?.*/, ''), `${status} ${type} ${body.slice(0, 80)}`);
    }
    expect(verdict(differences, listed('Addresses of the frontend'))).toEqual({ notListed: [], notDifferent: [] });
  });

  it('tells of every event, but for those that are listed', async () => {
    cluster.signalSupervisor('SIGHUP');
    await call('workers/local', 'pause', { reason: 'r' });
    await call('workers/local', 'unpause', {});
    await call('schedulers/1', 'enable', { enabled: false });
    await call('schedulers/1', 'enable', { enabled: true });
    await call('workers/local', 'stop', { reason: 'r' });
    const known = listed('Topics');
    const missing = (): string[] => RECORDING.topics.filter((topic) => !topics.has(topic));
    await eventually(() => missing().every((topic) => known.has(topic)), { ...PATIENT, what: 'the events' }).catch(
      () => undefined, // What is missing is said below.
    );
    expect(verdict(new Map(missing().map((topic) => [topic, 'was not told'])), known)).toEqual({
      notListed: [],
      notDifferent: [],
    });
  }, 120_000);
});
