/** The conversations that the server keeps. What it answers is read as data from outside: what is missing is empty. */

import { type Json, list, number, object, text } from '../protocol/json.ts';
import { ask } from './api.ts';

export interface Thread {
  readonly thread: string;
  /** Unix seconds, as all times here. */
  readonly beganAt: number;
  readonly touchedAt: number;
  readonly surfaces: readonly string[];
  readonly entries: number;
  /** The first words in it. */
  readonly opening: string;
}

export type Standing = 'whole' | 'in_flight' | 'interrupted' | 'failed' | 'lost';

export interface KeptEntry {
  readonly key: string;
  readonly role: string;
  /** Of the assistant: what was heard. */
  readonly text: string;
  readonly standing: Standing;
  readonly beganAt: number;
  readonly surface: string;
  readonly tool: string;
  readonly arguments: string;
  readonly audio: boolean;
  /** Seconds by name. */
  readonly timings: readonly (readonly [string, number])[];
}

export interface Stretch {
  readonly session: string;
  readonly surface: string;
  readonly beganAt: number;
  /** 0: it goes on. */
  readonly closedAt: number;
  /** 0: it can be gone on with. */
  readonly endedAt: number;
  readonly lost: boolean;
  readonly summary: string;
  readonly feedback: string;
  readonly entries: number;
}

export interface Told {
  readonly thread: string;
  readonly entries: readonly KeptEntry[];
  readonly sessions: readonly Stretch[];
}

export interface Found {
  readonly thread: string;
  readonly snippet: string;
  readonly entry: KeptEntry;
}

const PATH = '/api/sessions';
const KEPT = 'memory_mode=persistent';
const STANDINGS: readonly Standing[] = ['whole', 'in_flight', 'interrupted', 'failed', 'lost'];

export async function threads(signal: AbortSignal): Promise<readonly Thread[]> {
  const told = object(await ask('GET', `${PATH}?limit=200&${KEPT}`, undefined, signal));
  return list(told, 'sessions').map((each) => ({
    thread: text(each, 'thread'),
    beganAt: number(each, 'began_at'),
    touchedAt: number(each, 'touched_at'),
    surfaces: words(each, 'surfaces'),
    entries: number(each, 'entries'),
    opening: text(each, 'opening'),
  }));
}

export async function search(wanted: string, signal: AbortSignal): Promise<readonly Found[]> {
  const told = object(await ask('GET', `${PATH}/search?q=${encodeURIComponent(wanted)}&limit=50&${KEPT}`, undefined, signal));
  return list(told, 'found').map((each) => ({
    thread: text(each, 'thread_id'),
    snippet: text(each, 'snippet'),
    entry: entryOf(object(each['entry'])),
  }));
}

export async function read(thread: string, signal: AbortSignal): Promise<Told> {
  const told = object(await ask('GET', `${of(thread)}?limit=1000&${KEPT}`, undefined, signal));
  const sessions = list(told, 'sessions').map((each) => ({
    session: text(each, 'session'),
    surface: text(each, 'surface'),
    beganAt: number(each, 'began_at'),
    closedAt: number(each, 'closed_at'),
    endedAt: number(each, 'ended_at'),
    lost: each['lost'] === true,
    summary: text(each, 'summary'),
    feedback: text(each, 'feedback'),
    entries: number(each, 'entries'),
  }));
  return { thread, entries: list(told, 'entries').map(entryOf), sessions };
}

export async function forget(thread: string): Promise<void> {
  await ask('DELETE', `${of(thread)}?${KEPT}`);
}

/** End its sessions, with what the person has to say about them. */
export async function end(thread: string, feedback: string): Promise<void> {
  await ask('POST', `${PATH}/end`, { thread_id: thread, feedback, memory_mode: 'persistent' });
}

export function exportAddress(thread: string, format: 'markdown' | 'json'): string {
  return `${of(thread)}/export?format=${format}&${KEPT}`;
}

export function soundAddress(thread: string, key: string): string {
  return `${of(thread)}/audio?key=${encodeURIComponent(key)}&${KEPT}`;
}

function of(thread: string): string {
  return `${PATH}/${encodeURIComponent(thread)}`;
}

function entryOf(json: Json | undefined): KeptEntry {
  return {
    key: text(json, 'key'),
    role: text(json, 'role'),
    text: text(json, 'text'),
    standing: STANDINGS.find((each) => each === text(json, 'standing')) ?? 'whole',
    beganAt: number(json, 'began_at'),
    surface: text(json, 'surface'),
    tool: text(json, 'tool'),
    arguments: text(json, 'arguments'),
    audio: json?.['audio'] === true,
    timings: Object.entries(object(json?.['timings']) ?? {}).flatMap(([name, value]) =>
      typeof value === 'number' ? [[name, value] as const] : [],
    ),
  };
}

function words(json: Json, name: string): readonly string[] {
  const value = json[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
