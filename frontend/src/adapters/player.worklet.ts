/** Sound of the wire in, played at the context's own rate; tells how much of each item was played. */

import { toFloat32 } from '../audio/pcm.ts';
import { PlaybackQueue } from '../audio/playback.ts';
import { Resampler } from '../audio/resampler.ts';
import { WIRE_RATE } from '../protocol/commands.ts';
import type { FromPlayer, ToPlayer } from './player_messages.ts';

const RATE = Math.round(sampleRate);
/** Between two reports of how far it is. */
const TELL = Math.round(RATE / 20);

class Player extends AudioWorkletProcessor {
  readonly #queue = new PlaybackQueue({
    lead: Math.round(RATE * 0.04), // less than one delta of the server, more than the jitter of a loopback
    fade: Math.round(RATE * 0.008),
    refill: Math.round(RATE * 0.2),
  });
  #resampler = new Resampler(WIRE_RATE, RATE);
  #item = '';
  #playing = '';
  #untold = 0;
  #running = true;
  readonly #ended = new Set<string>();

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToPlayer>) => this.#receive(data);
  }

  override process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [first, ...others] = outputs[0] ?? [];
    if (first === undefined) return this.#running;
    this.#queue.pull(first);
    for (const other of others) other.set(first);
    this.#report(first.length);
    return this.#running;
  }

  #receive(message: ToPlayer): void {
    switch (message.kind) {
      case 'sound':
        this.#follow(message.item);
        this.#queue.push(message.item, this.#resampler.push(toFloat32(message.samples)));
        break;
      case 'end':
        this.#finish(message.item);
        break;
      case 'cut': {
        const cut = this.#queue.cut();
        this.#resampler = new Resampler(WIRE_RATE, RATE);
        this.#playing = '';
        this.#item = '';
        this.#tell({ kind: 'cut', item: cut?.item ?? '', ms: ms(cut?.samples ?? 0), number: message.number });
        break;
      }
      case 'close':
        this.#running = false;
        break;
    }
  }

  #follow(item: string): void {
    if (this.#item !== '' && this.#item !== item) this.#finish(this.#item);
    this.#item = item;
  }

  #finish(item: string): void {
    if (this.#item !== item) return;
    this.#queue.push(item, this.#resampler.flush());
    this.#queue.complete(item);
    this.#ended.add(item);
    this.#item = '';
  }

  #report(frames: number): void {
    const { item, samples } = this.#queue.played();
    if (this.#playing !== '' && (this.#playing !== item || !this.#queue.busy) && this.#ended.has(this.#playing)) {
      this.#tell({ kind: 'finished', item: this.#playing, ms: ms(this.#queue.played(this.#playing).samples) });
      this.#ended.delete(this.#playing);
      this.#playing = '';
    }
    if (!this.#queue.busy || item === '') return;
    this.#untold += frames;
    if (this.#playing === item && this.#untold < TELL) return;
    if (this.#playing !== item && samples === 0) return;
    this.#playing = item;
    this.#untold = 0;
    this.#tell({ kind: 'played', item, ms: ms(samples) });
  }

  #tell(message: FromPlayer): void {
    this.port.postMessage(message);
  }
}

function ms(samples: number): number {
  return (samples / RATE) * 1000;
}

registerProcessor('voicemode-player', Player);
