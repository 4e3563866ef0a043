// What a test asks of a driver, and what it is told: JSON lines on standard output.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const NAMES = ['link', 'wav', 'transport', 'heard', 'cycles', 'pictures', 'seconds'];

export function saw(what, facts = {}) {
  process.stdout.write(`${JSON.stringify({ saw: what, at: performance.now() / 1000, ...facts })}\n`);
}

/** Run a driver as a program. */
export async function drive(program) {
  try {
    await program(parseArgs({ options: Object.fromEntries(NAMES.map((name) => [name, { type: 'string' }])) }).values);
    process.exit(0);
  } catch (error) {
    saw('failed', { error: `${error.name}: ${error.message}` });
    process.exit(1);
  }
}

/** 16-bit mono. */
export function writeWav(path, rate, samples) {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  writeFileSync(path, Buffer.concat([head, samples]));
}
