// The person before a JavaScript client: a microphone and a loudspeaker that run in real time, and what they say when.
// The same as person.py, but for the language. Runs in Node and in a page; sound is 24 kHz 16-bit mono PCM.

export const RATE = 24_000;
export const INSTRUCTIONS = 'You steer a robot by voice.';

const TICK_MS = 20;
const FRAME = (RATE * TICK_MS) / 1000; // samples
const SETTLE_S = 0.5; // before the first word, so that no utterance begins with the line
const LISTENS_S = 3.4; // of the assistant's sound before the person interrupts
const SILENT_S = 1.2; // after which an answer is taken for finished
const SURELY_S = 0.3; // of sound that is more than the end of what was playing
const DEADLINE_S = 40; // for each thing that is waited for

/** Calls back every 20 ms by the clock, as a sound card does; late calls come at once. Returns what stops it. */
export function everyTick(call) {
  let due = performance.now();
  const timer = setInterval(() => {
    for (; due <= performance.now(); due += TICK_MS) call();
  }, TICK_MS / 2);
  return () => clearInterval(timer);
}

/** Hands on 20 ms every 20 ms: what the person says, else silence. */
export class Microphone {
  #saying = new Int16Array(0);
  #send;

  constructor(send) {
    this.#send = send;
  }

  say(samples) {
    this.#saying = samples;
  }

  tick() {
    const frame = new Int16Array(FRAME);
    frame.set(this.#saying.subarray(0, FRAME));
    this.#saying = this.#saying.subarray(FRAME);
    this.#send(frame.buffer);
  }
}

/** Plays what it is given, in real time, and knows what was heard. */
export class Loudspeaker {
  #waiting = [];
  #heard = [];
  #quietTicks = 0;
  stops = 0;

  play(samples) {
    this.#waiting.push(...frames(samples));
  }

  /** Drops what waits. Counted only if something did. */
  stop() {
    if (this.#waiting.length > 0) this.stops += 1;
    this.#waiting = [];
  }

  tick() {
    const frame = this.#waiting.shift();
    if (frame === undefined) this.#quietTicks += 1;
    else this.record(frame);
  }

  record(samples) {
    this.#heard.push(samples);
    this.#quietTicks = 0;
  }

  get heardS() {
    return this.#heard.reduce((total, frame) => total + frame.length, 0) / RATE;
  }

  silentFor(seconds) {
    return (this.#quietTicks * TICK_MS) / 1000 >= seconds;
  }

  pcm() {
    return Int16Array.from(this.#heard.flatMap((frame) => [...frame]));
  }
}

function frames(samples) {
  const cut = [];
  for (let at = 0; at < samples.length; at += FRAME) cut.push(samples.slice(at, at + FRAME));
  return cut;
}

/** Resolves once it holds; rejects after 40 s. */
export function until(what, holds) {
  const deadline = performance.now() + DEADLINE_S * 1000;
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      if (!holds() && performance.now() < deadline) return;
      clearInterval(timer);
      if (holds()) resolve();
      else reject(new Error(`${what}: not within ${DEADLINE_S} s`));
    }, TICK_MS);
  });
}

/**
 * The person asks for something, talks into the answer, and hears the next one to its end.
 * `ears` tells how much was heard (`heardS`), how often the assistant was interrupted (`stops`), and silence (`silentFor`).
 */
export async function conversation({ say, ears, saw }) {
  await until('a quiet beginning', () => ears.silentFor(SETTLE_S));
  saw('begins', { heard_s: ears.heardS });
  say('first');
  await until('the first answer is heard', () => ears.heardS >= LISTENS_S);
  say('second');
  await until('the answer is interrupted', () => ears.stops > 0);
  const before = ears.heardS;
  saw('stopped', { heard_s: before });
  await until('the second answer is heard', () => ears.heardS > before + SURELY_S);
  await until('the second answer ends', () => ears.silentFor(SILENT_S));
  saw('finished', { heard_s: ears.heardS });
}

/** Reports what a session of @openai/agents tells, over any transport, and returns its agent's one function. */
export function report(session, saw) {
  session.on('error', ({ error }) => saw('error', { error: text(error) }));
  const history = { latest: [] };
  session.on('history_updated', (items) => (history.latest = items));
  return () => {
    for (const item of history.latest) {
      if (item.type !== 'message' || item.role === 'system') continue;
      saw(`${item.role}_said`, { text: item.content.map((part) => part.transcript ?? '').join(' ') });
    }
  };
}

function text(error) {
  return error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
}
