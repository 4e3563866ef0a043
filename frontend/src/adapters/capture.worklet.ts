/** The microphone at the context's own rate in, 16-bit sound of the wire's rate out, in blocks of 20 ms. */

import { toInt16 } from '../audio/pcm.ts';
import { Resampler } from '../audio/resampler.ts';
import { WIRE_RATE } from '../protocol/commands.ts';

class Capture extends AudioWorkletProcessor {
  readonly #resampler: Resampler;
  readonly #block: Float32Array;
  #filled = 0;
  #running = true;

  constructor(options?: { readonly processorOptions?: { readonly rate?: number } }) {
    super();
    const rate = options?.processorOptions?.rate ?? WIRE_RATE;
    this.#resampler = new Resampler(Math.round(sampleRate), rate);
    this.#block = new Float32Array(rate / 50);
    this.port.onmessage = () => {
      this.#running = false; // the only message there is
    };
  }

  override process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? [];
    const frames = channels[0]?.length ?? outputs[0]?.[0]?.length ?? 128;
    // Time goes on where no microphone is connected: a second of sound stays a second.
    this.#take(this.#resampler.push(mixed(channels, frames)));
    return this.#running;
  }

  #take(samples: Float32Array): void {
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + this.#block.length - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < this.#block.length) return;
      const block = toInt16(this.#block);
      this.port.postMessage(block, [block.buffer]);
      this.#filled = 0;
    }
  }
}

function mixed(channels: Float32Array[], frames: number): Float32Array {
  const [first] = channels;
  if (first === undefined) return new Float32Array(frames);
  if (channels.length === 1) return first;
  return first.map((_, i) => channels.reduce((sum, channel) => sum + (channel[i] ?? 0), 0) / channels.length);
}

registerProcessor('voicemode-capture', Capture);
