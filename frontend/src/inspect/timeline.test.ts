import { describe, expect, test } from 'vitest';
import { LevelLog } from './levels.ts';
import { Ring } from './ring.ts';
import { pictures, toolUses } from './timeline.ts';

function ringWith(events: readonly (readonly [number, string, object?])[]): Ring {
  const ring = new Ring();
  for (const [ms, type, more] of events) ring.add(type.startsWith('page.') ? 'page' : 'server', { type, ...more }, ms);
  return ring;
}

const TURN = [
  [1000, 'session.created'],
  [3200, 'input_audio_buffer.speech_started', { item_id: 'u', audio_start_ms: 1800 }],
  [4600, 'input_audio_buffer.speech_stopped', { item_id: 'u', audio_end_ms: 3100 }],
  [4610, 'input_audio_buffer.committed', { item_id: 'u' }],
  [4900, 'conversation.item.input_audio_transcription.completed', { item_id: 'u' }],
  [5000, 'response.created'],
  [5400, 'response.output_audio.delta'],
] as const;

describe('the picture of a turn', () => {
  test('shows speech where the server found it, and each step after it', () => {
    const [picture] = pictures(ringWith(TURN).entries);
    expect(picture?.speech).toEqual({ fromMs: 2800, toMs: 4100 });
    expect(picture?.marks).toEqual([
      { name: 'committed', atMs: 4610 },
      { name: 'words', atMs: 4900 },
      { name: 'answer begun', atMs: 5000 },
      { name: 'first sound', atMs: 5400 },
    ]);
    expect(picture?.fromMs).toBeLessThan(2800);
    expect(picture?.toMs).toBeGreaterThan(5400);
  });

  test('never has speech after the event that tells of it', () => {
    const late = [[3100, 'session.created'], ...TURN.slice(1)] as const;
    const [picture] = pictures(ringWith(late).entries);
    expect(picture?.speech).toEqual({ fromMs: 3200, toMs: 4500 });
  });

  test.each([
    ['page.playing', 'page.played', 'heard'],
    ['page.playing', 'page.silent', 'cut'],
    ['output_audio_buffer.started', 'output_audio_buffer.stopped', 'heard'],
    ['output_audio_buffer.started', 'output_audio_buffer.cleared', 'cut'],
  ])('has playback from %s to %s', (begin, stop, end) => {
    const ring = ringWith([...TURN, [5500, begin], [7000, stop]]);
    expect(pictures(ring.entries)[0]?.playback).toEqual([{ fromMs: 5500, toMs: 7000, end }]);
  });

  test('has playback that goes on up to what came last', () => {
    const ring = ringWith([...TURN, [5500, 'page.playing'], [6100, 'response.done']]);
    expect(pictures(ring.entries)[0]?.playback).toEqual([{ fromMs: 5500, toMs: 6100, end: 'going on' }]);
  });

  test('ends where the next turn does', () => {
    const ring = ringWith([...TURN, [5500, 'page.playing'], [6000, 'page.silent'], [7000, 'input_audio_buffer.speech_stopped', { item_id: 'v' }], [8000, 'page.playing'], [9000, 'page.played']]);
    const [first, second] = pictures(ring.entries);
    expect(first?.playback).toHaveLength(1);
    expect(second?.playback).toEqual([{ fromMs: 8000, toMs: 9000, end: 'heard' }]);
    expect(second?.speech).toBeUndefined();
  });
});

test('the picture of a turn ends where somebody types', () => {
  const ring = ringWith([...TURN, [5500, 'page.playing']]);
  ring.add('client', { type: 'conversation.item.create' }, 5990);
  ring.add('page', { type: 'page.silent' }, 6000);
  ring.add('page', { type: 'page.playing' }, 6500);
  expect(pictures(ring.entries)[0]?.playback).toEqual([{ fromMs: 5500, toMs: 6000, end: 'cut' }]);
});

test('tools are told once each, with what came of them and how long it took', () => {
  const ring = ringWith([
    [100, 'conversation.item.added', { item: { type: 'mcp_call', id: 'm', server_label: 'home', name: 'light', arguments: '' } }],
    [150, 'response.output_item.done', { item: { type: 'mcp_call', id: 'm', server_label: 'home', name: 'light', arguments: '{"on":true}' } }],
    [400, 'response.mcp_call.completed', { item_id: 'm' }],
    [410, 'conversation.item.done', { item: { type: 'mcp_call', id: 'm', name: 'light', arguments: '{"on":true}', output: 'It is on.' } }],
    [500, 'conversation.item.added', { item: { type: 'function_call', id: 'f', call_id: 'c', name: 'page', arguments: '{}' } }],
    [900, 'conversation.item.added', { item: { type: 'function_call_output', id: 'o', call_id: 'c', output: 'done' } }],
    [950, 'conversation.item.added', { item: { type: 'mcp_call', id: 'n', name: 'door', error: { message: 'It is locked.' } } }],
    [990, 'conversation.item.added', { item: { type: 'mcp_call', id: 'r', name: 'wait' } }],
  ]);
  expect(toolUses(ring.entries)).toMatchObject([
    { itemId: 'm', server: 'home', arguments: '{"on":true}', output: 'It is on.', state: 'completed', tookMs: 300 },
    { itemId: 'f', output: 'done', state: 'completed', tookMs: 400 },
    { itemId: 'n', output: 'It is locked.', state: 'failed' },
    { itemId: 'r', state: 'running', tookMs: undefined },
  ]);
});

test('levels are held for some minutes', () => {
  const log = new LevelLog(100);
  for (let i = 0; i < 1000; i += 1) log.add({ atMs: i, input: 0.1, output: 0 });
  expect(log.between(0, 500)).toEqual([]);
  expect(log.between(900, 10_000)).toHaveLength(100);
  expect(log.between(0, 10_000).length).toBeLessThanOrEqual(110);
  log.clear();
  expect(log.between(0, 10_000)).toEqual([]);
});
