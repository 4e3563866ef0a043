// What a test asks of a driver in Node, and what it is told.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const HEAD = 44; // bytes of a canonical WAV head
const RATE = 24_000;

/** --url http://HOST:PORT, --key, --first and --second (WAV), --heard (where to write what was played). */
export function order() {
  const options = Object.fromEntries(['url', 'key', 'first', 'second', 'heard'].map((name) => [name, { type: 'string' }]));
  return parseArgs({ options }).values;
}

export function saw(what, facts = {}) {
  process.stdout.write(`${JSON.stringify({ saw: what, at: performance.now() / 1000, ...facts })}\n`);
}

export function readWav(path) {
  const data = readFileSync(path).subarray(HEAD);
  return new Int16Array(new Uint8Array(data).buffer);
}

export function writeWav(path, samples) {
  const head = Buffer.alloc(HEAD);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(RATE * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.byteLength, 40);
  writeFileSync(path, Buffer.concat([head, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)]));
}

/** Run a driver as a program. */
export async function drive(client) {
  try {
    await client(order());
    process.exit(0);
  } catch (error) {
    saw('failed', { error: `${error.name}: ${error.message}` });
    process.exit(1);
  }
}
