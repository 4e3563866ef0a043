/** Microphone, loudspeaker and their meters, from the click to the end of the conversation, however often the line breaks. */

import { Meter } from '../audio/level.ts';
import { microphone } from './devices.ts';
import type { Disposables } from './disposables.ts';
import { keepAwake } from './wake_lock.ts';

/** 20 to 40 ms of sound, at all usual rates. */
const WINDOW = 1024;

export class Studio {
  readonly context: AudioContext;
  readonly #owner: Disposables;
  readonly #input: Gauge;
  readonly #output: Gauge;
  #stream: MediaStream | undefined;
  #source: MediaStreamAudioSourceNode | undefined;
  #open = true;
  /** Called with another microphone when the one in use is gone. */
  onReplaced: (stream: MediaStream) => void = () => undefined;

  /** Within a click: browsers start no sound otherwise. */
  constructor(owner: Disposables) {
    this.#owner = owner;
    this.context = new AudioContext({ latencyHint: 'interactive' });
    owner.add(() => void this.context.close());
    // A phone call, or waking up, suspends it.
    owner.listen(document, 'visibilitychange', () => this.#resume());
    owner.listen(this.context, 'statechange', () => this.#resume());
    this.#resume();
    this.#input = new Gauge(this.context);
    this.#output = new Gauge(this.context);
    owner.add(() => this.#release());
    keepAwake(owner);
  }

  get stream(): MediaStream | undefined {
    return this.#stream;
  }

  /** Levels from 0 to 1. */
  get levels(): { input: number; output: number } {
    return { input: this.#input.level(), output: this.#output.level() };
  }

  /** Ask for the microphone, and give the former one back. */
  async listen(deviceId: string): Promise<void> {
    const stream = await microphone(deviceId);
    if (this.#owner.closed) {
      stop(stream);
      return;
    }
    this.#release();
    this.#stream = stream;
    this.enabled = this.#open;
    this.#source = this.context.createMediaStreamSource(stream);
    this.#source.connect(this.#input.node);
    for (const track of stream.getAudioTracks()) {
      this.#owner.listen(track, 'ended', () => void this.#unplugged(stream));
    }
    this.onReplaced(stream);
  }

  /** What the loudspeaker gets, for its meter. */
  meter(output: AudioNode): void {
    output.connect(this.#output.node);
  }

  /** Whether the microphone's sound is sent; silence is, otherwise. */
  set enabled(open: boolean) {
    this.#open = open;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = open;
  }

  async #unplugged(stream: MediaStream): Promise<void> {
    if (stream !== this.#stream) return;
    await this.listen('').catch(() => undefined); // the system's own choice; without one it stays silent
  }

  #resume(): void {
    if (this.context.state === 'suspended' && document.visibilityState === 'visible') void this.context.resume();
  }

  #release(): void {
    this.#source?.disconnect();
    this.#source = undefined;
    if (this.#stream !== undefined) stop(this.#stream);
    this.#stream = undefined;
  }
}

class Gauge {
  readonly node: AnalyserNode;
  readonly #samples = new Float32Array(WINDOW);
  readonly #meter = new Meter();
  #lastMs = performance.now();

  constructor(context: AudioContext) {
    this.node = context.createAnalyser();
    this.node.fftSize = WINDOW;
  }

  level(): number {
    const nowMs = performance.now();
    this.node.getFloatTimeDomainData(this.#samples);
    const level = this.#meter.update(this.#samples, (nowMs - this.#lastMs) / 1000);
    this.#lastMs = nowMs;
    return level;
  }
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
