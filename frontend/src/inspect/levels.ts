/** How loud both sides were, for the latest minutes of a conversation. */

export interface Level {
  /** Milliseconds since 1970, of the page's clock. */
  readonly atMs: number;
  /** From 0 to 1. */
  readonly input: number;
  readonly output: number;
}

/** Ten minutes of ten a second. */
const MOST = 6000;

export class LevelLog {
  readonly #most: number;
  #levels: Level[] = [];

  constructor(most = MOST) {
    this.#most = most;
  }

  add(level: Level): void {
    this.#levels.push(level);
    // A tenth more, and then all of that at once: not one by one.
    if (this.#levels.length > this.#most * 1.1) this.#levels = this.#levels.slice(-this.#most);
  }

  /** Oldest first. */
  between(fromMs: number, toMs: number): readonly Level[] {
    return this.#levels.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  }

  clear(): void {
    this.#levels = [];
  }
}
