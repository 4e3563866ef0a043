/** Keys that work wherever the focus is, but in fields and on other buttons. */

import { useEffect } from 'react';
import type { Conversation } from '../adapters/conversation.ts';

export function useKeys(conversation: Conversation): void {
  useEffect(() => {
    const down = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { mode, turns, muted } = conversation.shown();
      if (event.key === 'Escape' && turns.base === 'live') conversation.hush();
      if (!free(event.target)) return;
      if (event.code === 'Space' && mode === 'hold' && turns.base === 'live') {
        event.preventDefault(); // it would scroll, or press the button
        if (!event.repeat) conversation.press();
      }
      if (event.key.toLowerCase() === 'm' && turns.base === 'live' && !event.repeat) conversation.mute(!muted);
    };
    const up = (event: KeyboardEvent) => {
      if (event.code === 'Space') conversation.release();
    };
    // A key that goes up elsewhere is not told.
    const left = () => conversation.release();
    addEventListener('keydown', down);
    addEventListener('keyup', up);
    addEventListener('blur', left);
    return () => {
      removeEventListener('keydown', down);
      removeEventListener('keyup', up);
      removeEventListener('blur', left);
      conversation.release();
    };
  }, [conversation]);
}

function free(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return true;
  return target.closest('.orb') !== null || target.closest('input, textarea, select, button, a, summary, [contenteditable]') === null;
}
