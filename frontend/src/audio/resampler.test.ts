import { describe, expect, test } from 'vitest';
import { Resampler } from './resampler.ts';

const RATES = [8000, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];
const BLOCK = 128; // of an AudioWorklet

function tone(hz: number, rate: number, seconds: number): Float32Array {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
}

function inBlocks(resampler: Resampler, samples: Float32Array, size = BLOCK): Float32Array {
  const parts: number[] = [];
  for (let at = 0; at < samples.length; at += size) parts.push(...resampler.push(samples.subarray(at, at + size)));
  return Float32Array.from(parts);
}

function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}

function middle(samples: Float32Array): Float32Array {
  return samples.subarray(Math.floor(samples.length / 4), Math.floor((samples.length * 3) / 4));
}

describe.each(RATES)('from %d Hz', (from) => {
  test.each([16_000, 24_000])('a second is a second at %d Hz, ten seconds long', (to) => {
    const resampler = new Resampler(from, to);
    let count = 0;
    let due = 0;
    for (let second = 1; second <= 10; second += 1) {
      let given = 0;
      for (; due + BLOCK <= second * from; due += BLOCK) {
        count += resampler.push(new Float32Array(BLOCK)).length;
        given += BLOCK;
      }
      expect(given).toBeGreaterThan(0);
    }
    // Complete but for the delay of the filter.
    const expected = (due / from - resampler.delay) * to;
    expect(Math.abs(count - expected)).toBeLessThanOrEqual(1);
  });

  test('a tone of 1 kHz keeps its level and pitch', () => {
    const out = middle(inBlocks(new Resampler(from, 24_000), tone(1000, from, 0.5)));
    expect(20 * Math.log10(rms(out) * Math.SQRT2)).toBeCloseTo(0, 1);
    let crossings = 0;
    for (let i = 1; i < out.length; i += 1) crossings += (out[i - 1] ?? 0) < 0 && (out[i] ?? 0) >= 0 ? 1 : 0;
    expect(Math.abs(crossings - (1000 * out.length) / 24_000)).toBeLessThanOrEqual(1);
  });
});

test.each([
  [48_000, 16_000, 10_000],
  [44_100, 16_000, 10_000],
  [48_000, 24_000, 14_000],
  [96_000, 24_000, 30_000],
])('from %d to %d Hz, a tone of %d Hz that has no place there is gone by 70 dB', (from, to, hz) => {
  const out = middle(inBlocks(new Resampler(from, to), tone(hz, from, 0.5)));
  expect(20 * Math.log10(rms(out) * Math.SQRT2)).toBeLessThan(-70);
});

test('how the input is cut changes nothing', () => {
  const sound = tone(440, 44_100, 0.3);
  const whole = new Resampler(44_100, 24_000).push(sound);
  for (const size of [1, 7, 128, 1000]) {
    expect(inBlocks(new Resampler(44_100, 24_000), sound, size)).toEqual(whole);
  }
});

test('flush hands over the tail and nothing is lost', () => {
  const resampler = new Resampler(48_000, 24_000);
  const head = resampler.push(tone(440, 48_000, 1));
  expect(head.length + resampler.flush().length).toBe(24_000);
  expect(resampler.push(new Float32Array(4800)).every((value) => value === 0)).toBe(true);
});

test('equal rates pass through untouched', () => {
  const sound = tone(440, 24_000, 0.1);
  expect(new Resampler(24_000, 24_000).push(sound)).toEqual(sound);
});

test('a minute stays exact', () => {
  const resampler = new Resampler(44_100, 16_000);
  let count = 0;
  for (let second = 0; second < 60; second += 1) count += resampler.push(new Float32Array(44_100)).length;
  expect(Math.abs(count - (60 - resampler.delay) * 16_000)).toBeLessThanOrEqual(1);
});

test('rates that are none are refused', () => {
  expect(() => new Resampler(0, 24_000)).toThrow(RangeError);
  expect(() => new Resampler(44_100.5, 24_000)).toThrow(RangeError);
});
