/** Asking the server for what a view shows; an answer that comes after another question, or after the view is gone, is not shown. */

import { useCallback, useEffect, useState } from 'react';
import { ApiError } from '../adapters/api.ts';

export interface Asked<Answer> {
  readonly answer: Answer | undefined;
  readonly problem: string;
  again(): void;
}

/** `ask` must be the same function for the same question. */
export function useAsked<Answer>(ask: (signal: AbortSignal) => Promise<Answer>): Asked<Answer> {
  const [got, setGot] = useState<{ readonly of: unknown; readonly answer?: Answer; readonly problem: string }>({ of: undefined, problem: '' });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    ask(left.signal).then(
      (answer) => setGot({ of: ask, answer, problem: '' }),
      (error: unknown) => {
        if (!left.signal.aborted) setGot((before) => ({ ...(before.of === ask ? before : {}), of: ask, problem: wordsOf(error) }));
      },
    );
    return () => left.abort();
  }, [ask, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const own = got.of === ask;
  return { answer: own ? got.answer : undefined, problem: own ? got.problem : '', again };
}

export function wordsOf(error: unknown): string {
  return error instanceof ApiError ? error.message : 'The server does not answer.';
}
