import { describe, expect, it } from 'vitest';
import { type LineAction, type LineState, NEW_LINE, reduceLine } from './state.ts';
import type { ToPage } from './wire.ts';

const after = (...actions: (LineAction | ToPage['type'] | ToPage)[]): LineState =>
  actions.reduce<LineState>((state, action) => reduceLine(state, wrapped(action)), NEW_LINE);

function wrapped(action: LineAction | ToPage['type'] | ToPage): LineAction {
  if (typeof action === 'string') return { type: 'message', message: { type: action } as ToPage };
  return ['connected', 'disconnected', 'starting', 'ready', 'unready', 'problem', 'paused', 'played', 'message'].includes(action.type)
    ? (action as LineAction)
    : { type: 'message', message: action as ToPage };
}

const begin: ToPage = { type: 'begin', agent: 'Claude' };
const speaking: ToPage = { type: 'state', state: 'speaking' };
const said = (text: string, standing: string, role = 'assistant', key = '0.message'): ToPage => ({ type: 'said', key, role, text, standing });
const WORDS = 'Which of the two branches shall I merge first?';

describe('who talks', () => {
  it('rings until the button is pressed', () => {
    const ring: ToPage = { type: 'ring', agent: 'Claude' };
    expect(after(ring).ringing).toBe('Claude');
    expect(after(ring, { type: 'starting' }, { type: 'ready' })).toMatchObject({ ringing: '', ready: true, starting: false });
    expect(after({ type: 'ready' }, ring).ringing).toBe('');
    expect(after(ring, { type: 'ring', agent: '' }).ringing).toBe('');
  });

  it('is shown from its begin to its end, and no longer than the line lasts', () => {
    expect(after(begin)).toMatchObject({ agent: 'Claude', phase: 'idle' });
    expect(after(begin, speaking, 'end')).toMatchObject({ agent: '', phase: 'idle' });
    expect(after(begin, speaking, { type: 'disconnected' })).toMatchObject({ agent: '', phase: 'idle', connected: false });
    expect(after(begin, speaking, { type: 'unready' }).agent).toBe('');
  });

  it('has no phase that is not known', () => {
    expect(after(begin, { type: 'state', state: 'dancing' }).phase).toBe('idle');
  });
});

describe('captions', () => {
  it('are heard as they are played, by whole words', () => {
    const state = after(begin, said(WORDS, 'in_flight'), speaking, { type: 'played', position: 24_000 });
    const [caption] = state.captions;
    expect(caption?.text).toBe(WORDS);
    expect(WORDS.slice(0, caption?.heard)).toMatch(/^Which of the( two)?$/);
  });

  it('say what was heard of a message that was cut off', () => {
    const state = after(begin, said(WORDS, 'in_flight'), speaking, said('Which of the two', 'interrupted'));
    expect(state.captions).toEqual([{ key: '0.message', mine: false, text: WORDS, heard: 16, cut: true }]);
  });

  it('are heard whole when the message was said whole', () => {
    const state = after(begin, said(WORDS, 'in_flight'), said(WORDS, 'whole'));
    expect(state.captions).toEqual([{ key: '0.message', mine: false, text: WORDS, heard: WORDS.length, cut: false }]);
  });

  it("end with the person's words, which were partial before", () => {
    const partial = after(begin, { type: 'state', state: 'listening' }, { type: 'words', text: 'the sec' });
    expect(partial.words).toBe('the sec');
    const whole = reduceLine(partial, wrapped(said('The second.', 'whole', 'user', '0.answer')));
    expect(whole.words).toBe('');
    expect(whole.captions.at(-1)).toMatchObject({ mine: true, text: 'The second.' });
  });

  it('are not kept for ever', () => {
    const many = Array.from({ length: 60 }, (_, i) => said(`message ${i}`, 'whole', 'assistant', `${i}`));
    expect(after(begin, ...many).captions).toHaveLength(40);
  });
});
