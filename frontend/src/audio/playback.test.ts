import { expect, test } from 'vitest';
import { PlaybackQueue } from './playback.ts';

const OPTIONS = { lead: 100, fade: 40, refill: 200 };

function ramp(from: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => from + i);
}

function pull(queue: PlaybackQueue, count: number): number[] {
  const out = new Float32Array(count).fill(-1);
  queue.pull(out);
  return [...out];
}

test('pieces are played without a gap, in order, to the last sample', () => {
  const queue = new PlaybackQueue(OPTIONS);
  for (let i = 0; i < 10; i += 1) queue.push('a', ramp(1 + i * 77, 77));
  queue.complete('a');
  const heard = [...pull(queue, 128), ...pull(queue, 512), ...pull(queue, 256)];
  expect(heard.slice(0, 770)).toEqual([...ramp(1, 770)]);
  expect(heard.slice(770).every((value) => value === 0)).toBe(true);
  expect(queue.played('a')).toEqual({ item: 'a', samples: 770 });
  expect(queue.gaps).toBe(0);
});

test('it begins once enough waits', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', ramp(1, 99));
  expect(pull(queue, 10)).toEqual(new Array(10).fill(0));
  queue.push('a', ramp(100, 1));
  expect(pull(queue, 3)).toEqual([1, 2, 3]);
});

test('a short answer that is complete begins at once', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', ramp(1, 5));
  queue.complete('a');
  expect(pull(queue, 6)).toEqual([1, 2, 3, 4, 5, 0]);
});

test('after it ran dry it holds back once, and loses nothing', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', ramp(1, 100));
  expect(pull(queue, 128).slice(0, 101)).toEqual([...ramp(1, 100), 0]);
  expect(queue.gaps).toBe(1);
  queue.push('a', ramp(101, 150));
  expect(pull(queue, 4)).toEqual([0, 0, 0, 0]);
  queue.push('a', ramp(251, 60));
  expect(pull(queue, 4)).toEqual([101, 102, 103, 104]);
});

test('a cut tells what was heard, fades out within its time, and is silent then', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', new Float32Array(1000).fill(1));
  queue.push('b', new Float32Array(1000).fill(1));
  pull(queue, 300);
  expect(queue.cut()).toEqual({ item: 'a', samples: 300 });
  const after = pull(queue, 100);
  expect(after.slice(40)).toEqual(new Array(60).fill(0));
  const steps = after.slice(0, 41).map((value, i) => Math.abs(value - (i === 0 ? 1 : (after[i - 1] ?? 0))));
  expect(Math.max(...steps)).toBeLessThan(0.03);
  expect(queue.busy).toBe(false);
  expect(queue.cut()).toBeUndefined();
});

test('what is cut before it began was not heard at all', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', ramp(1, 50));
  expect(queue.cut()).toEqual({ item: 'a', samples: 0 });
  expect(pull(queue, 50)).toEqual(new Array(50).fill(0));
});

test('each item has its own count', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', ramp(1, 120));
  queue.complete('a');
  queue.push('b', ramp(1, 120));
  pull(queue, 200);
  expect(queue.played('a').samples).toBe(120);
  expect(queue.played()).toEqual({ item: 'b', samples: 80 });
});

test('the next item follows without a gap when it waits already', () => {
  const queue = new PlaybackQueue(OPTIONS);
  queue.push('a', ramp(1, 120));
  queue.complete('a');
  queue.push('b', ramp(121, 120));
  expect(pull(queue, 240)).toEqual([...ramp(1, 240)]);
});
