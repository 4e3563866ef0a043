/** What the server says about itself. Each part may be missing: it is still being looked at, or could not be. */

import { type Json, list, number, object, text } from '../protocol/json.ts';
import { ask } from './api.ts';

export type CheckState = 'ok' | 'warning' | 'failed';

export interface Check {
  readonly name: string;
  readonly state: CheckState;
  readonly detail: string;
  readonly remedy: string;
}

export interface Endpoint {
  readonly task: string;
  readonly name: string;
  readonly origin: string;
  readonly remote: boolean;
  /** From 1, in the order in which they are asked; 0: it is passed over. */
  readonly place: number;
  readonly usable: boolean;
  readonly words: string;
  readonly remedy: string;
  readonly reasons: readonly string[];
  readonly requests: number;
  /** 0 to 1. */
  readonly successRate: number;
  readonly firstByteMs: number;
  readonly lastError: string;
}

export interface Service {
  readonly name: string;
  readonly title: string;
  readonly state: string;
  readonly healthy: boolean;
  readonly model: string;
  readonly port: number;
  readonly memory: number;
  readonly uptimeS: number;
  readonly problem: string;
}

export interface Model {
  readonly name: string;
  readonly title: string;
  readonly state: string;
  readonly size: number;
  readonly languages: string;
}

export interface Device {
  readonly name: string;
  readonly input: boolean;
  readonly output: boolean;
  readonly usual: boolean;
}

export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly source: string;
  readonly description: string;
  readonly fallback: string;
  readonly changed: boolean;
}

export interface ServerFacts {
  readonly version: string;
  readonly beganAt: number;
  readonly conversations: number;
  readonly most: number;
  readonly answers: { readonly ready: boolean; readonly by: string; readonly remark: string };
  readonly upstream: string;
  readonly memory: string;
  readonly keepsAudio: boolean;
  readonly folder: string;
  readonly open: boolean;
}

/** One part; `seen` is undefined until it was looked at once. */
export interface Looked<Seen> {
  readonly seen: Seen | undefined;
  readonly looking: boolean;
  readonly problem: string;
}

export interface Status {
  readonly server: Looked<ServerFacts>;
  readonly checks: Looked<readonly Check[]>;
  readonly endpoints: Looked<readonly Endpoint[]>;
  readonly services: Looked<readonly Service[]>;
  readonly models: Looked<readonly Model[]>;
  readonly devices: Looked<readonly Device[]>;
  readonly settings: Looked<readonly Setting[]>;
}

export async function status(signal: AbortSignal): Promise<Status> {
  return readStatus(await ask('GET', '/api/status', undefined, signal));
}

export function readStatus(answer: unknown): Status {
  const told = object(answer);
  return {
    server: looked(told, 'server', serverOf),
    checks: looked(told, 'speech', (seen) => list(object(seen), 'checks').map(checkOf)),
    endpoints: looked(told, 'speech', (seen) => list(object(seen), 'endpoints').map(endpointOf)),
    services: looked(told, 'services', rows(serviceOf)),
    models: looked(told, 'models', rows(modelOf)),
    devices: looked(told, 'devices', rows(deviceOf)),
    settings: looked(told, 'settings', rows(settingOf)),
  };
}

function looked<Seen>(told: Json | undefined, name: string, read: (seen: unknown) => Seen): Looked<Seen> {
  const part = object(told?.[name]);
  const seen = part?.['seen'];
  return { seen: seen === undefined ? undefined : read(seen), looking: part?.['looking'] === true, problem: text(part, 'problem') };
}

function rows<Row>(read: (row: Json) => Row): (seen: unknown) => readonly Row[] {
  return (seen) => list({ rows: seen }, 'rows').map(read);
}

function serverOf(seen: unknown): ServerFacts {
  const json = object(seen);
  const answers = object(json?.['answers']);
  return {
    version: text(json, 'version'),
    beganAt: number(json, 'began_at'),
    conversations: number(json, 'conversations'),
    most: number(json, 'most_conversations'),
    answers: { ready: answers?.['ready'] === true, by: strings(answers, 'by')[0] ?? '', remark: text(answers, 'remark') },
    upstream: text(json, 'upstream'),
    memory: text(json, 'memory'),
    keepsAudio: json?.['keep_audio'] === true,
    folder: text(json, 'folder'),
    open: json?.['open_to_others'] === true,
  };
}

function checkOf(json: Json): Check {
  const states: readonly CheckState[] = ['ok', 'warning', 'failed'];
  const state = states.find((each) => each === text(json, 'state')) ?? 'warning';
  return { name: text(json, 'name'), state, detail: text(json, 'detail'), remedy: text(json, 'remedy') };
}

function endpointOf(json: Json): Endpoint {
  return {
    task: text(json, 'task'),
    name: text(json, 'name'),
    origin: text(json, 'origin'),
    remote: json['remote'] === true,
    place: number(json, 'place'),
    usable: json['usable'] === true,
    words: text(json, 'words'),
    remedy: text(json, 'remedy'),
    reasons: strings(json, 'reasons'),
    requests: number(json, 'requests'),
    successRate: number(json, 'success_rate'),
    firstByteMs: number(json, 'first_byte_median_ms'),
    lastError: text(json, 'last_error'),
  };
}

function serviceOf(json: Json): Service {
  return {
    name: text(json, 'service'),
    title: text(json, 'title'),
    state: text(json, 'state').replaceAll('_', ' '),
    healthy: json['healthy'] === true,
    model: text(json, 'model'),
    port: number(json, 'port'),
    memory: number(json, 'memory_bytes'),
    uptimeS: number(json, 'uptime_s'),
    problem: [text(json, 'last_error'), text(json, 'remark')].filter((each) => each !== '').join('. '),
  };
}

function modelOf(json: Json): Model {
  return { name: text(json, 'name'), title: text(json, 'title'), state: text(json, 'state'), size: number(json, 'size_bytes'), languages: text(json, 'languages') };
}

function deviceOf(json: Json): Device {
  return {
    name: text(json, 'name'),
    input: number(json, 'inputs') > 0,
    output: number(json, 'outputs') > 0,
    usual: json['default_input'] === true || json['default_output'] === true,
  };
}

function settingOf(json: Json): Setting {
  return {
    name: text(json, 'name'),
    value: text(json, 'value'),
    source: text(json, 'source'),
    description: text(json, 'description'),
    fallback: text(json, 'default'),
    changed: json['changed'] === true,
  };
}

function strings(json: Json | undefined, name: string): readonly string[] {
  const value = json?.[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
