/**
 * A streaming, band-limited resampler: a windowed sinc, evaluated at the exact place of every output sample.
 *
 * Its phase is kept as a fraction of integers, so no error adds up: after n input samples exactly floor(n * to / from) output
 * samples are due, less the delay of half the filter. Where the ratio has few phases (48,000 to 24,000 has one, 44,100 to 16,000
 * has 160) their coefficients are tabulated, which makes it polyphase.
 */

/** Zero crossings of the sinc on each side: with the window below, the stop band is 80 dB down at 1.1 times the cutoff. */
const CROSSINGS = 32;
/** Kaiser's parameter for 80 dB: 0.1102 * (80 - 8.7). */
const BETA = 0.1102 * (80 - 8.7);
/** Of the lower of both Nyquist frequencies: what lies above folds back within the filter's own slope. */
const PASS = 0.92;
/** Above this many phases (odd rates of odd devices) coefficients are computed for each sample. */
const MOST_PHASES = 1024;

export class Resampler {
  readonly from: number;
  readonly to: number;
  readonly #up: number;
  readonly #down: number;
  readonly #half: number;
  readonly #cutoff: number;
  readonly #phases: (Float32Array | undefined)[];
  /** Input that is still needed; `#first` is the number of its first sample in the stream. */
  #held: Float32Array;
  #first: number;
  #written = 0;

  /** Rates in Hz, whole numbers. */
  constructor(from: number, to: number) {
    if (!Number.isInteger(from) || !Number.isInteger(to) || from <= 0 || to <= 0) throw new RangeError(`rates ${from}, ${to}`);
    this.from = from;
    this.to = to;
    const divisor = gcd(from, to);
    this.#up = to / divisor;
    this.#down = from / divisor;
    this.#cutoff = PASS * Math.min(1, to / from);
    this.#half = from === to ? 0 : Math.ceil(CROSSINGS / this.#cutoff);
    this.#phases = new Array<Float32Array | undefined>(this.#up <= MOST_PHASES ? this.#up : 0);
    this.#held = new Float32Array(this.#half); // silence before the first sample
    this.#first = -this.#half;
  }

  /** Seconds by which the output lags behind the input. */
  get delay(): number {
    return this.#half / this.from;
  }

  /** All output that this input makes possible. */
  push(input: Float32Array): Float32Array {
    if (this.#half === 0) return input.slice();
    const held = new Float32Array(this.#held.length + input.length);
    held.set(this.#held);
    held.set(input, this.#held.length);
    const end = this.#first + held.length; // number of the first sample that has not come
    // The last output is the one whose window ends before `end`: floor(n * down / up) + half < end.
    const count = Math.max(0, Math.ceil(((end - this.#half) * this.#up) / this.#down) - this.#written);
    const out = new Float32Array(count);
    for (let i = 0; i < count; i += 1) out[i] = this.#at(held, this.#written + i);
    this.#written += count;
    this.#keep(held);
    return out;
  }

  /** What is left once the input ends; then it begins anew. */
  flush(): Float32Array {
    const rest = this.push(new Float32Array(this.#half));
    this.#held = new Float32Array(this.#half);
    this.#first = -this.#half;
    this.#written = 0;
    return rest;
  }

  #keep(held: Float32Array): void {
    const next = Math.floor((this.#written * this.#down) / this.#up) - this.#half + 1;
    const drop = Math.max(0, Math.min(held.length, next - this.#first));
    this.#held = held.slice(drop);
    this.#first += drop;
    // Numbers start over every full period, so that they stay exact however long the stream is.
    const periods = Math.floor(this.#written / this.#up);
    this.#written -= periods * this.#up;
    this.#first -= periods * this.#down;
  }

  #at(held: Float32Array, n: number): number {
    const place = n * this.#down;
    const whole = Math.floor(place / this.#up);
    const taps = this.#taps(place - whole * this.#up);
    const start = whole - this.#half + 1 - this.#first;
    let sum = 0;
    for (let k = 0; k < taps.length; k += 1) sum += (taps[k] ?? 0) * (held[start + k] ?? 0);
    return sum;
  }

  #taps(phase: number): Float32Array {
    const known = this.#phases[phase];
    if (known !== undefined) return known;
    const taps = kernel(phase / this.#up, this.#half, this.#cutoff);
    if (phase < this.#phases.length) this.#phases[phase] = taps;
    return taps;
  }
}

/** Coefficients for a place that lies `fraction` of a sample behind the sample in the middle; their sum is 1. */
function kernel(fraction: number, half: number, cutoff: number): Float32Array {
  const taps = new Float64Array(2 * half);
  let sum = 0;
  for (let k = 0; k < taps.length; k += 1) {
    const x = k - half + 1 - fraction;
    const value = sinc(cutoff * x) * kaiser(x / half);
    taps[k] = value;
    sum += value;
  }
  return Float32Array.from(taps, (value) => value / sum);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x: number): number {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of order zero, by its power series. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
