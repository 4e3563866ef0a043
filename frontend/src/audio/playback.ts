/**
 * What waits to be played, in pieces that belong to items of the conversation, and how far each was played.
 *
 * The server makes speech faster than it is spoken, so the queue is long and never waits for more than the first block; after it
 * ran dry, it holds back a little before it goes on, so that a network that stutters is heard once and not at every packet. Cutting it
 * off fades out, since a step in the signal is heard as a click.
 */

export interface Played {
  readonly item: string;
  /** Samples of it that left the queue. */
  readonly samples: number;
}

interface Piece {
  readonly item: string;
  readonly samples: Float32Array;
}

export interface PlaybackOptions {
  /** Samples that must wait before the first one of an item is played. */
  readonly lead: number;
  /** Samples over which a cut fades out. */
  readonly fade: number;
  /** Samples to hold back at most, when the queue ran dry within an item. */
  readonly refill: number;
}

export class PlaybackQueue {
  readonly #options: PlaybackOptions;
  #pieces: Piece[] = [];
  #offset = 0;
  #waiting = 0;
  #running = false;
  /** The item, all of whose sound has come; the end of an item need not be held back. */
  #complete = new Set<string>();
  #played = new Map<string, number>();
  #last = '';
  #fading: Float32Array | undefined;
  /** How often it ran dry within an item. */
  gaps = 0;

  constructor(options: PlaybackOptions) {
    this.#options = options;
  }

  push(item: string, samples: Float32Array): void {
    if (samples.length === 0) return;
    this.#pieces.push({ item, samples });
    this.#waiting += samples.length;
  }

  /** No more of it will come: what waits is played to its end. */
  complete(item: string): void {
    this.#complete.add(item);
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Whether something sounds, or is about to. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Of an item, or of the one that was played last. */
  played(item: string = this.#last): Played {
    return { item, samples: this.#played.get(item) ?? 0 };
  }

  /** Forget all that waits, and fade out. What was being played; undefined where nothing was. */
  cut(): Played | undefined {
    const first = this.#pieces[0];
    if (first === undefined) return undefined;
    const begun = this.#running || (this.#played.get(first.item) ?? 0) > 0;
    if (this.#running) this.#fading = this.#fade();
    const cut = { item: first.item, samples: begun ? (this.#played.get(first.item) ?? 0) : 0 };
    this.#pieces = [];
    this.#offset = 0;
    this.#waiting = 0;
    this.#running = false;
    return cut;
  }

  /** Fill `out`, with silence where there is nothing. Whether any of it is sound. */
  pull(out: Float32Array): boolean {
    let at = this.#fadeInto(out);
    const sounded = at > 0;
    if (!this.#running && this.#waiting >= this.#needed()) this.#running = this.#waiting > 0;
    const from = at;
    while (this.#running && at < out.length) at += this.#take(out.subarray(at));
    out.fill(0, at);
    return sounded || at > from;
  }

  #take(out: Float32Array): number {
    const piece = this.#pieces[0];
    if (piece === undefined) {
      this.#running = false;
      if (!this.#complete.has(this.#last)) this.gaps += 1;
      return 0;
    }
    const count = Math.min(out.length, piece.samples.length - this.#offset);
    out.set(piece.samples.subarray(this.#offset, this.#offset + count));
    this.#offset += count;
    this.#waiting -= count;
    this.#last = piece.item;
    this.#played.set(piece.item, (this.#played.get(piece.item) ?? 0) + count);
    if (this.#offset === piece.samples.length) {
      this.#pieces.shift();
      this.#offset = 0;
    }
    return count;
  }

  #needed(): number {
    const first = this.#pieces[0];
    if (first === undefined || this.#complete.has(first.item)) return 1;
    return (this.#played.get(first.item) ?? 0) > 0 ? this.#options.refill : this.#options.lead;
  }

  #fade(): Float32Array {
    const rest = new Float32Array(this.#options.fade);
    let at = 0;
    let offset = this.#offset;
    for (const piece of this.#pieces) {
      const part = piece.samples.subarray(offset, offset + rest.length - at);
      rest.set(part, at);
      at += part.length;
      offset = 0;
      if (at === rest.length) break;
    }
    return rest.map((value, i) => value * (1 - (i + 1) / (rest.length + 1)));
  }

  #fadeInto(out: Float32Array): number {
    const fading = this.#fading;
    if (fading === undefined) return 0;
    const count = Math.min(out.length, fading.length);
    out.set(fading.subarray(0, count));
    this.#fading = count < fading.length ? fading.subarray(count) : undefined;
    return count;
  }
}
