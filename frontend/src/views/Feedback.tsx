/** How it was, at the end of a session. */

import { type FormEvent, useId, useState } from 'react';
import { end } from '../adapters/kept.ts';
import { wordsOf } from './asked.ts';

const RATINGS = ['Good', 'So-so', 'Bad'] as const;
type State = 'open' | 'sending' | 'sent';

export function Feedback({ thread, onSent }: { thread: string; onSent?: () => void }) {
  const [rating, setRating] = useState<string>();
  const [note, setNote] = useState('');
  const [state, setState] = useState<State>('open');
  const [problem, setProblem] = useState('');
  const field = useId();
  const send = async (event: FormEvent) => {
    event.preventDefault();
    setState('sending');
    try {
      await end(thread, [rating, note.trim()].filter(Boolean).join(': '));
      setState('sent');
      onSent?.();
    } catch (error) {
      setProblem(wordsOf(error));
      setState('open');
    }
  };
  if (state === 'sent') {
    return (
      <p className="feedback note" role="status">
        Thank you. It is kept with the conversation.
      </p>
    );
  }
  return (
    <form className="feedback" onSubmit={(event) => void send(event)}>
      <div className="row" role="group" aria-label="How was this conversation?">
        <span>How was it?</span>
        {RATINGS.map((each) => (
          <button key={each} type="button" className="small" aria-pressed={rating === each} onClick={() => setRating(rating === each ? undefined : each)}>
            {each}
          </button>
        ))}
      </div>
      {rating !== undefined && (
        <div className="row">
          <label className="hidden" htmlFor={field}>
            A note
          </label>
          <input id={field} value={note} onChange={(event) => setNote(event.target.value)} maxLength={3900} placeholder="A note, if you like" autoComplete="off" />
          <button type="submit" className="primary" disabled={state === 'sending'}>
            {state === 'sending' ? 'Summing up …' : 'Finish'}
          </button>
        </div>
      )}
      {problem !== '' && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
