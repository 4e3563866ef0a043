/** The wire events of the page, the latest of them: bounded by their number and by their size. */

import { type Json, object, parsed, text } from '../protocol/json.ts';

export interface Entry {
  readonly number: number;
  /** Of the page's clock, milliseconds since 1970. */
  readonly atMs: number;
  readonly from: 'client' | 'server' | 'page';
  readonly type: string;
  /** Sound is left out: its length stands for it. */
  readonly event: Json;
  /** Characters of it as JSON. */
  readonly size: number;
  /** Sound after other sound of the same, which others may push out. */
  readonly bulk: boolean;
}

export interface RingLimits {
  readonly entries: number;
  readonly characters: number;
  /** Of those entries, events that carry sound: they come fifty times a second. */
  readonly sound: number;
}

export const LIMITS: RingLimits = { entries: 4000, characters: 4_000_000, sound: 500 };
const SOUND = new Set(['input_audio_buffer.append', 'response.output_audio.delta']);

export class Ring {
  readonly #limits: RingLimits;
  #entries: Entry[] = [];
  #characters = 0;
  #sounds = 0;
  #count = 0;
  /** Whose sound came last, from the server. */
  #speaking = '';

  constructor(limits: RingLimits = LIMITS) {
    this.#limits = limits;
  }

  add(from: Entry['from'], message: string | Json, atMs: number): void {
    const json = typeof message === 'string' ? parsed(message) : message;
    const event = object(withoutSound(json ?? { type: 'not an event' })) ?? {};
    const size = JSON.stringify(event).length;
    this.#count += 1;
    const type = text(event, 'type');
    const item = text(event, 'item_id');
    // The first of an answer tells when it could be heard.
    const bulk = SOUND.has(type) && (item === '' || item === this.#speaking);
    if (SOUND.has(type) && item !== '') this.#speaking = item;
    this.#entries.push({ number: this.#count, atMs, from, type, event, size, bulk });
    this.#characters += size;
    if (bulk) this.#sounds += 1;
    if (this.#sounds > this.#limits.sound) this.#drop(this.#entries.findIndex((each) => each.bulk));
    while (this.#entries.length > this.#limits.entries || this.#characters > this.#limits.characters) this.#drop(0);
  }

  #drop(at: number): void {
    const [dropped] = this.#entries.splice(at, 1);
    if (dropped === undefined) return;
    this.#characters -= dropped.size;
    if (dropped.bulk) this.#sounds -= 1;
  }

  /** Oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** All that ever came, those that are forgotten too. */
  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#entries = [];
    this.#characters = 0;
    this.#sounds = 0;
  }
}

export interface Filter {
  readonly from: Entry['from'] | 'all';
  /** Of which something must be in the type. */
  readonly type: string;
  /** That must be somewhere in the event. */
  readonly search: string;
  /** Whether events of which there are fifty a second are shown. */
  readonly sound: boolean;
}

export function filtered(entries: readonly Entry[], filter: Filter): readonly Entry[] {
  const type = filter.type.trim().toLowerCase();
  const search = filter.search.trim().toLowerCase();
  return entries.filter(
    (entry) =>
      (filter.from === 'all' || entry.from === filter.from) &&
      (filter.sound || !SOUND.has(entry.type)) &&
      entry.type.toLowerCase().includes(type) &&
      (search === '' || JSON.stringify(entry.event).toLowerCase().includes(search)),
  );
}

/** One JSON object per line. */
export function ndjson(entries: readonly Entry[]): string {
  return entries.map(({ atMs, from, event }) => `${JSON.stringify({ at: new Date(atMs).toISOString(), from, event })}\n`).join('');
}

/** A long text without a blank is sound in base64, wherever it is. */
function withoutSound(value: unknown): unknown {
  if (typeof value === 'string') return value.length > 400 && /^[A-Za-z0-9+/=]+$/.test(value) ? `<${sizeOf(value)} bytes>` : value;
  if (Array.isArray(value)) return value.map(withoutSound);
  const json = object(value);
  return json === undefined ? value : Object.fromEntries(Object.entries(json).map(([name, each]) => [name, withoutSound(each)]));
}

function sizeOf(base64: string): number {
  return Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}
