import { describe, expect, test } from 'vitest';
import { readEvent, readItem } from './events.ts';

function read(event: object): ReturnType<typeof readEvent> {
  return readEvent(JSON.stringify(event));
}

test('what is no event is none', () => {
  for (const message of ['', 'nonsense', '[]', '"text"', 'null', '{}', '{"type": 7}']) expect(readEvent(message)).toBeUndefined();
});

test('events nobody here knows are passed on by name, whatever they are called', () => {
  for (const name of ['rate_limits.updated', 'constructor', '__proto__', 'toString']) {
    expect(read({ type: name })).toEqual({ type: 'other', name });
  }
});

test('fields of a wrong type are as good as none', () => {
  expect(read({ type: 'input_audio_buffer.speech_started', item_id: 7, audio_start_ms: 'soon' })).toEqual({
    type: 'speech_started',
    itemId: '',
    atMs: 0,
  });
  expect(read({ type: 'response.done', response: null })).toEqual({
    type: 'response.done',
    responseId: '',
    status: 'completed',
    message: '',
    items: [],
  });
});

test('a delta names its place', () => {
  const event = { type: 'response.output_audio.delta', response_id: 'r', item_id: 'i', output_index: 0, content_index: 0, delta: 'AAA=' };
  expect(read(event)).toEqual({ type: 'audio.delta', responseId: 'r', itemId: 'i', audio: 'AAA=' });
});

describe('items', () => {
  test('a message has its words, spoken or written', () => {
    const content = [{ type: 'output_audio', transcript: 'Hello.' }, { type: 'output_text', text: 'And more.' }, 'junk'];
    expect(readItem({ id: 'm', type: 'message', role: 'assistant', status: 'completed', content })).toEqual({
      kind: 'message',
      id: 'm',
      role: 'assistant',
      text: 'Hello.\nAnd more.',
      status: 'completed',
    });
  });

  test('a call of a server is under way, worked, or failed', () => {
    const base = { id: 'c', type: 'mcp_call', server_label: 'files', name: 'list', arguments: '{}' };
    expect(readItem({ ...base, output: null, error: null })).toMatchObject({ output: undefined, error: undefined });
    expect(readItem({ ...base, output: 'a.txt', error: null })).toMatchObject({ output: 'a.txt', error: undefined });
    expect(readItem({ ...base, output: null, error: { type: 'protocol_error', message: 'gone' } })).toMatchObject({ error: 'gone' });
  });

  test('a request and its answer', () => {
    const asked = { id: 'a', type: 'mcp_approval_request', server_label: 'files', name: 'delete', arguments: '{"path":"x"}' };
    expect(readItem(asked)).toMatchObject({ kind: 'approval', name: 'delete' });
    const answered = { id: 'b', type: 'mcp_approval_response', approval_request_id: 'a', approve: true };
    expect(readItem(answered)).toEqual({ kind: 'decision', id: 'b', request: 'a', approve: true });
  });

  test('what nobody here knows has an id at most', () => {
    expect(readItem({ id: 'x', type: 'image' })).toEqual({ kind: 'other', id: 'x' });
    expect(readItem(undefined)).toEqual({ kind: 'other', id: '' });
  });
});
