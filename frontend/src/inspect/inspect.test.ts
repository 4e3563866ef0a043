import { describe, expect, test } from 'vitest';
import { percentile, speechMs, turnTimes } from './latency.ts';
import { Ring, filtered, ndjson } from './ring.ts';

const ALL = { from: 'all', type: '', search: '', sound: true } as const;

describe('the ring', () => {
  test('holds the latest, bounded by number', () => {
    const ring = new Ring({ entries: 3, characters: 1e6, sound: 3 });
    for (let i = 0; i < 10; i += 1) ring.add('server', { type: `t${i}` }, i);
    expect(ring.entries.map((entry) => [entry.number, entry.type])).toEqual([[8, 't7'], [9, 't8'], [10, 't9']]);
    expect(ring.count).toBe(10);
  });

  test('and by size', () => {
    const ring = new Ring({ entries: 1000, characters: 5000, sound: 10 });
    for (let i = 0; i < 200; i += 1) ring.add('client', { type: 't', text: 'word '.repeat(100) }, i);
    const held = ring.entries.reduce((sum, entry) => sum + entry.size, 0);
    expect(held).toBeLessThanOrEqual(5000);
    expect(ring.entries.length).toBeGreaterThan(5);
  });

  test('lets sound push out nothing but older sound', () => {
    const ring = new Ring({ entries: 100, characters: 1e6, sound: 5 });
    ring.add('server', { type: 'response.created' }, 0);
    for (let i = 0; i < 50; i += 1) ring.add('client', { type: 'input_audio_buffer.append', audio: '' }, i);
    expect(ring.entries.map((entry) => entry.number)).toEqual([1, 47, 48, 49, 50, 51]);
  });

  test('keeps the first sound of each answer', () => {
    const ring = new Ring({ entries: 100, characters: 1e6, sound: 5 });
    const answer = (item_id: string, ms: number) => ring.add('server', { type: 'response.output_audio.delta', item_id, delta: '' }, ms);
    for (let i = 0; i < 20; i += 1) answer('a', i);
    for (let i = 20; i < 40; i += 1) answer('b', i);
    for (let i = 40; i < 80; i += 1) ring.add('client', { type: 'input_audio_buffer.append', audio: '' }, i);
    expect(ring.entries.filter(({ from }) => from === 'server').map(({ atMs }) => atMs)).toEqual([0, 20]);
    expect(ring.entries).toHaveLength(7);
  });

  test('keeps no sound, wherever it is', () => {
    const ring = new Ring();
    const sound = btoa('x'.repeat(4800));
    ring.add('server', JSON.stringify({ type: 'response.output_audio.delta', delta: sound }), 0);
    ring.add('server', { type: 'conversation.item.retrieved', item: { content: [{ audio: sound, transcript: 'words' }] } }, 0);
    expect(ring.entries[0]?.event['delta']).toBe('<4800 bytes>');
    expect(JSON.stringify(ring.entries[1]?.event)).toContain('"audio":"<4800 bytes>","transcript":"words"');
  });

  test('is found in by direction, type and words, without the events of sound if wished', () => {
    const ring = new Ring();
    ring.add('client', { type: 'input_audio_buffer.append', audio: '' }, 0);
    ring.add('server', { type: 'response.done', response: { status: 'Cancelled' } }, 0);
    ring.add('server', { type: 'response.created' }, 0);
    const types = (filter: object) => filtered(ring.entries, { ...ALL, ...filter }).map((entry) => entry.type);
    expect(types({ from: 'client' })).toEqual(['input_audio_buffer.append']);
    expect(types({ type: 'RESPONSE.' })).toEqual(['response.done', 'response.created']);
    expect(types({ search: 'cancelled' })).toEqual(['response.done']);
    expect(types({ sound: false })).toHaveLength(2);
  });

  test('is written down as one JSON object per line', () => {
    const ring = new Ring();
    ring.add('server', { type: 'a', text: 'two\nlines' }, 0);
    ring.add('client', 'no json', 1);
    const lines = ndjson(ring.entries).trimEnd().split('\n').map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      { at: '1970-01-01T00:00:00.000Z', from: 'server', event: { type: 'a', text: 'two\nlines' } },
      { at: '1970-01-01T00:00:00.001Z', from: 'client', event: { type: 'not an event' } },
    ]);
  });
});

test('the times of a turn count from the end of speech, each once', () => {
  const ring = new Ring();
  const at = (ms: number, type: string, more: object = {}) => ring.add('server', { type, ...more }, ms);
  at(100, 'input_audio_buffer.speech_started', { item_id: 'u', audio_start_ms: 90 });
  at(1000, 'input_audio_buffer.speech_stopped', { item_id: 'u', audio_end_ms: 800 });
  at(1200, 'conversation.item.input_audio_transcription.completed', { item_id: 'other' });
  at(1250, 'conversation.item.input_audio_transcription.completed', { item_id: 'u' });
  at(1300, 'response.created');
  at(1500, 'response.output_audio_transcript.delta');
  at(1600, 'response.output_audio.delta');
  at(1700, 'response.output_audio.delta');
  at(1650, 'page.playing');
  at(2000, 'response.done', { response: { status: 'cancelled' } });
  at(3000, 'input_audio_buffer.speech_stopped', { item_id: 'v' });
  const [first, second] = turnTimes(ring.entries);
  expect(first).toEqual({
    itemId: 'u', stoppedMs: 1000, words: 250, response: 300, firstWord: 500, firstSound: 600, heard: 650, interrupted: true,
  });
  expect(second).toMatchObject({ itemId: 'v', heard: undefined, interrupted: false });
  expect(speechMs(ring.entries, 'u')).toEqual([90, 800]);
  expect(speechMs(ring.entries, 'x')).toBeUndefined();
});

test('percentiles lie between the values', () => {
  expect(percentile([], 0.5)).toBeUndefined();
  expect(percentile([7], 0.95)).toBe(7);
  expect(percentile([10, 30, 20], 0.5)).toBe(20);
  expect(percentile([0, 100], 0.95)).toBeCloseTo(95);
});
