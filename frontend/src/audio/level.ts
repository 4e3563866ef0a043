/** How loud something is, for the eye: rises at once, falls slowly, on a scale of decibels. */

/** Below this a meter shows nothing: a quiet room through a laptop's microphone. */
const FLOOR_DB = -60;
/** What is loud speech close to a microphone. */
const TOP_DB = -6;
/** A meter falls from full to nothing in this time. */
const FALL_S = 0.5;

/** Of full scale; `-Infinity` for silence. */
export function decibels(samples: Float32Array): number {
  let sum = 0;
  for (const value of samples) sum += value * value;
  return samples.length === 0 ? Number.NEGATIVE_INFINITY : 10 * Math.log10(sum / samples.length);
}

/** From 0 to 1. */
export function shown(db: number): number {
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / (TOP_DB - FLOOR_DB)));
}

export class Meter {
  #value = 0;

  /** The value after `seconds` with this sound; from 0 to 1. */
  update(samples: Float32Array, seconds: number): number {
    this.#value = Math.max(shown(decibels(samples)), this.#value - seconds / FALL_S);
    if (this.#value < 0) this.#value = 0;
    return this.#value;
  }
}
