/** What an agent says in, played at the context's own rate; tells which position is audible, and where it was cut off. */

import { toFloat32 } from '../audio/pcm.ts';
import { PlaybackQueue } from '../audio/playback.ts';
import { Resampler } from '../audio/resampler.ts';
import { PLAY_RATE } from '../line/wire.ts';

const RATE = Math.round(sampleRate);
/** Between two reports of how far it is: 50 ms. */
const TELL = Math.round(RATE / 20);
/** From one gain to the next without a click: 15 ms. */
const RAMP = Math.round(RATE * 0.015);

export type ToLinePlayer =
  | { readonly kind: 'sound'; readonly run: number; readonly position: number; readonly samples: Int16Array }
  | { readonly kind: 'complete' }
  | { readonly kind: 'cut'; readonly run: number }
  | { readonly kind: 'duck'; readonly gainDb: number }
  | { readonly kind: 'close' };

export interface FromLinePlayer {
  readonly kind: 'played' | 'cut';
  readonly run: number;
  readonly position: number;
}

class LinePlayer extends AudioWorkletProcessor {
  readonly #queue = new PlaybackQueue({ lead: Math.round(RATE * 0.04), fade: Math.round(RATE * 0.008), refill: Math.round(RATE * 0.2) });
  #resampler = new Resampler(PLAY_RATE, RATE);
  #run = -1;
  /** The position of the run's first sample. */
  #base = 0;
  /** The position behind the last sample that came. */
  #end = 0;
  #untold = 0;
  #sounding = false;
  #gain = 1;
  #target = 1;
  #running = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToLinePlayer>) => this.#receive(data);
  }

  override process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [first, ...others] = outputs[0] ?? [];
    if (first === undefined) return this.#running;
    this.#queue.pull(first);
    this.#duck(first);
    for (const other of others) other.set(first);
    this.#report(first.length);
    return this.#running;
  }

  #receive(message: ToLinePlayer): void {
    switch (message.kind) {
      case 'sound':
        this.#begin(message.run, message.position);
        this.#queue.push(`${this.#run}`, this.#resampler.push(toFloat32(message.samples)));
        this.#end = message.position + message.samples.length;
        break;
      case 'complete':
        this.#queue.push(`${this.#run}`, this.#resampler.flush());
        this.#queue.complete(`${this.#run}`);
        break;
      case 'cut': {
        const position = this.#position();
        this.#queue.cut();
        this.#resampler = new Resampler(PLAY_RATE, RATE);
        this.#run = -1;
        this.#base = position;
        this.#end = position;
        this.#sounding = false;
        this.#tell({ kind: 'cut', run: message.run, position });
        break;
      }
      case 'duck':
        this.#target = 10 ** (message.gainDb / 20);
        break;
      case 'close':
        this.#running = false;
        break;
    }
  }

  #begin(run: number, position: number): void {
    if (run === this.#run) return;
    this.#run = run;
    this.#base = position;
    this.#untold = TELL;
  }

  #position(): number {
    if (this.#run < 0) return this.#base;
    if (!this.#queue.busy) return this.#end; // to the sample, whatever the resampler rounds
    return Math.min(this.#base + Math.round((this.#queue.played(`${this.#run}`).samples * PLAY_RATE) / RATE), this.#end);
  }

  #report(frames: number): void {
    const ended = this.#sounding && !this.#queue.busy;
    this.#sounding = this.#queue.busy;
    this.#untold += frames;
    if (!ended && (!this.#queue.busy || this.#untold < TELL || this.#position() === this.#base)) return;
    this.#untold = 0;
    this.#tell({ kind: 'played', run: this.#run, position: this.#position() });
  }

  #duck(out: Float32Array): void {
    if (this.#gain === 1 && this.#target === 1) return;
    for (let i = 0; i < out.length; i += 1) {
      if (this.#gain < this.#target) this.#gain = Math.min(this.#gain + 1 / RAMP, this.#target);
      else this.#gain = Math.max(this.#gain - 1 / RAMP, this.#target);
      out[i] = (out[i] ?? 0) * this.#gain;
    }
  }

  #tell(message: FromLinePlayer): void {
    this.port.postMessage(message);
  }
}

registerProcessor('voicemode-line-player', LinePlayer);
