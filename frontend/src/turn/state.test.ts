import { describe, expect, test } from 'vitest';
import { type ServerEvent, readEvent } from '../protocol/events.ts';
import { type Action, NEW_TURNS, type Turns, phaseOf, reduce } from './state.ts';

function server(event: object, nowMs = 0): Action {
  return { type: 'server', event: readEvent(JSON.stringify(event)) as ServerEvent, nowMs };
}

function after(...actions: Action[]): Turns {
  return actions.reduce(reduce, NEW_TURNS);
}

const CREATED = server({ type: 'session.created', session: { id: 's' } });
const STARTED = server({ type: 'input_audio_buffer.speech_started', item_id: 'u1', audio_start_ms: 0 });
const STOPPED = server({ type: 'input_audio_buffer.speech_stopped', item_id: 'u1', audio_end_ms: 900 });
const RESPONSE = server({ type: 'response.created', response: { id: 'r1' } });
const TEXT = 'This is sentence one. This is sentence two.';

function grew(delta: string): Action {
  return server({ type: 'conversation.item.input_audio_transcription.delta', item_id: 'u1', delta });
}
function said(transcript: string): Action {
  return server({ type: 'conversation.item.input_audio_transcription.completed', item_id: 'u1', transcript });
}
function words(delta: string): Action {
  return server({ type: 'response.output_audio_transcript.delta', response_id: 'r1', item_id: 'a1', delta });
}
function done(status = 'completed'): Action {
  return server({ type: 'response.done', response: { id: 'r1', status, output: [] } });
}
function playout(state: string, nowMs: number): Action {
  return server({ type: `output_audio_buffer.${state}`, response_id: 'r1' }, nowMs);
}
const ADDED = server({
  type: 'conversation.item.added',
  previous_item_id: 'u1',
  item: { id: 'a1', type: 'message', role: 'assistant', status: 'in_progress', content: [] },
});
const AUDIO_DONE = server({ type: 'response.output_audio.done', response_id: 'r1', item_id: 'a1' });

describe('the phase', () => {
  test('goes through a whole turn', () => {
    const turn: [Action, string][] = [
      [{ type: 'connecting' }, 'connecting'],
      [CREATED, 'listening'],
      [STARTED, 'listening'],
      [STOPPED, 'thinking'],
      [RESPONSE, 'thinking'],
      [words(TEXT), 'thinking'],
      [{ type: 'sound', item: 'a1', ms: 2000 }, 'thinking'],
      [{ type: 'played', item: 'a1', ms: 10 }, 'speaking'],
      [done(), 'speaking'],
      [{ type: 'finished', item: 'a1', ms: 2000 }, 'listening'],
      [{ type: 'over', problem: '' }, 'idle'],
    ];
    let turns = NEW_TURNS;
    for (const [action, phase] of turn) {
      turns = reduce(turns, action);
      expect([action, phaseOf(turns)]).toEqual([action, phase]);
    }
  });

  test('is interrupted while the person talks into the answer, then thinking', () => {
    const speaking = after(CREATED, STARTED, STOPPED, RESPONSE, words(TEXT), { type: 'played', item: 'a1', ms: 500 });
    const over = server({ type: 'input_audio_buffer.speech_started', item_id: 'u2', audio_start_ms: 0 });
    const talks = reduce(speaking, over);
    expect(phaseOf(talks)).toBe('interrupted');
    const silent = [{ type: 'cut', item: 'a1', ms: 700 } as const, done('cancelled')].reduce(reduce, talks);
    expect(phaseOf(silent)).toBe('interrupted');
    expect(phaseOf(reduce(silent, STOPPED))).toBe('thinking');
  });

  test('goes back to listening when nothing was said after all, or the answer failed', () => {
    expect(phaseOf(after(CREATED, STARTED, STOPPED, said(' ')))).toBe('listening');
    expect(after(CREATED, STARTED, STOPPED, said(' ')).lines).toEqual([]);
    const failed = server({ type: 'response.done', response: { id: 'r1', status: 'failed', status_details: { error: { message: 'No.' } } } });
    const turns = after(CREATED, STOPPED, RESPONSE, failed);
    expect([phaseOf(turns), turns.problem]).toEqual(['listening', 'No.']);
  });

  test('is thinking while a tool of a server runs', () => {
    const call = { id: 'c1', type: 'mcp_call', server_label: 'files', name: 'list', arguments: '{}', output: null, error: null };
    const running = after(CREATED, server({ type: 'conversation.item.added', item: call }));
    expect(phaseOf(running)).toBe('thinking');
    const result = server({ type: 'conversation.item.done', item: { ...call, output: 'a.txt' } });
    expect(phaseOf(reduce(running, result))).toBe('listening');
    expect(reduce(running, result).lines[0]).toMatchObject({ state: 'completed', output: 'a.txt' });
  });

  test('follows the button of hold to talk', () => {
    const live = after(CREATED, RESPONSE, words(TEXT), { type: 'played', item: 'a1', ms: 10 });
    expect(phaseOf(reduce(live, { type: 'press' }))).toBe('interrupted');
    expect(phaseOf(after(CREATED, { type: 'press' }))).toBe('listening');
    expect(phaseOf(after(CREATED, { type: 'press' }, { type: 'release' }))).toBe('thinking');
    expect(phaseOf(after(CREATED, { type: 'press' }, { type: 'withdraw' }))).toBe('listening');
  });
});

describe('what the person said', () => {
  test('grows and is then what the server says', () => {
    const growing = after(CREATED, STARTED, grew('go for'), grew('ward'));
    expect(growing.lines).toMatchObject([{ kind: 'user', text: 'go forward', partial: true }]);
    expect(reduce(growing, said('Go forward.')).lines).toMatchObject([{ text: 'Go forward.', partial: false }]);
  });

  test('stands before the answer, also when its words come later', () => {
    const turns = after(CREATED, STARTED, STOPPED, RESPONSE, ADDED, words(TEXT), said('hello'));
    expect(turns.lines.map((line) => line.id)).toEqual(['u1', 'a1']);
  });

  test('is there once when it was typed', () => {
    const item = { id: 't1', type: 'message', role: 'user', status: 'completed', content: [{ type: 'input_text', text: 'hi' }] };
    const turns = after(CREATED, server({ type: 'conversation.item.added', item }), server({ type: 'conversation.item.done', item }));
    expect(turns.lines).toMatchObject([{ kind: 'user', text: 'hi', typed: true, partial: false }]);
  });
});

describe('what was heard', () => {
  const base = [CREATED, RESPONSE, ADDED, words(TEXT), { type: 'sound', item: 'a1', ms: 2000 }, AUDIO_DONE] as Action[];
  const line = (turns: Turns) => turns.lines.find((each) => each.kind === 'assistant');

  test('grows with the sound, to all of it', () => {
    expect(line(after(...base))).toMatchObject({ heard: 0, state: 'waiting' });
    expect(line(after(...base, { type: 'played', item: 'a1', ms: 1000 }))).toMatchObject({ state: 'playing', heard: 21 });
    const whole = after(...base, done(), { type: 'finished', item: 'a1', ms: 2000 });
    expect(line(whole)).toMatchObject({ heard: TEXT.length, state: 'heard' });
  });

  test('ends where it was cut, as the server then says word for word', () => {
    const cut = after(...base, { type: 'played', item: 'a1', ms: 1000 }, { type: 'cut', item: 'a1', ms: 1100 });
    expect(line(cut)).toMatchObject({ state: 'cut', heard: 'This is sentence one.'.length });
    const content = [{ type: 'output_audio', transcript: 'This is sentence one. This' }];
    const told = server({ type: 'conversation.item.retrieved', item: { id: 'a1', type: 'message', role: 'assistant', content } });
    expect(line(reduce(cut, told))).toMatchObject({ heard: 'This is sentence one. This'.length });
  });

  test('is estimated by the clock where the server plays, and whole when it stopped', () => {
    const playing = after(CREATED, RESPONSE, ADDED, words(TEXT), playout('started', 1000), { type: 'tick', nowMs: 2400 });
    expect(line(playing)).toMatchObject({ state: 'playing', heard: 'This is sentence one.'.length });
    expect(phaseOf(playing)).toBe('speaking');
    const stopped = [done(), playout('stopped', 4000)].reduce(reduce, playing);
    expect(line(stopped)).toMatchObject({ state: 'heard', heard: TEXT.length });
    expect(phaseOf(stopped)).toBe('listening');
  });

  test('is what the server truncated it to where the server plays', () => {
    const truncated = server({ type: 'conversation.item.truncated', item_id: 'a1', audio_end_ms: 1400 });
    const cut = after(CREATED, RESPONSE, ADDED, words(TEXT), playout('started', 0), playout('cleared', 1400), truncated, done('cancelled'));
    expect(line(cut)).toMatchObject({ state: 'cut', heard: 'This is sentence one.'.length });
    expect(cut.sounding).toBe('');
  });

  test('does not grow after a cut', () => {
    const cut = after(...base, { type: 'cut', item: 'a1', ms: 500 }, { type: 'played', item: 'a1', ms: 2000 }, done('cancelled'));
    expect(line(cut)).toMatchObject({ state: 'cut' });
    expect(cut.sounding).toBe('');
    expect(line(cut)?.kind === 'assistant' && (line(cut) as { heard: number }).heard).toBeLessThan(21);
  });
});

test('a request for leave is answered once', () => {
  const asked = { id: 'q', type: 'mcp_approval_request', server_label: 'files', name: 'delete', arguments: '{}' };
  const answer = { id: 'd', type: 'mcp_approval_response', approval_request_id: 'q', approve: false };
  const turns = after(CREATED, server({ type: 'conversation.item.added', item: asked }), server({ type: 'conversation.item.added', item: answer }));
  expect(turns.lines).toMatchObject([{ kind: 'approval', decision: false }]);
});

test('the end of a call leaves the words and nothing under way', () => {
  const turns = after(CREATED, STARTED, grew('go'), RESPONSE, words(TEXT), { type: 'over', problem: 'The line is dead.' });
  expect(phaseOf(turns)).toBe('idle');
  expect(turns.problem).toBe('The line is dead.');
  expect(turns.lines).toMatchObject([
    { kind: 'user', text: 'go', partial: false },
    { kind: 'assistant', state: 'cut' },
  ]);
});

test('an error is told, unless page and server only did the same thing at once', () => {
  const error = (code: string) => server({ type: 'error', error: { code, message: 'What happened.' } });
  expect(after(CREATED, error('response_cancel_not_active')).problem).toBe('');
  expect(after(CREATED, error('invalid_value')).problem).toBe('What happened.');
  expect(after(CREATED, error('input_audio_buffer_commit_empty')).problem).toMatch(/Hold the button/);
});
