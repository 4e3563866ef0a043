/** The one button: it begins, and shows who talks and how loud. In hold to talk it is what is held. */

import { type KeyboardEvent, type PointerEvent, useEffect, useRef } from 'react';
import type { Conversation } from '../adapters/conversation.ts';
import type { Shown } from '../adapters/shown.ts';
import type { Phase } from '../turn/state.ts';
import { Icon } from './Icon.tsx';

interface Props {
  readonly conversation: Conversation;
  readonly shown: Shown;
  readonly phase: Phase;
}

export function Orb({ conversation, shown, phase }: Props) {
  const face = useRef<HTMLButtonElement>(null);
  const live = shown.turns.base !== 'idle';
  const typed = shown.turns.base === 'live' && !shown.microphone;
  const holds = live && shown.mode === 'hold' && shown.microphone;
  useLevels(conversation, face, live);
  const begin = () => {
    if (!live) void conversation.start();
    else if (typed) void conversation.speak();
    else if (!holds) conversation.end();
  };
  const down = (event: PointerEvent) => {
    if (!holds) return;
    event.currentTarget.setPointerCapture(event.pointerId); // the finger may slip off
    conversation.press();
  };
  const key = (event: KeyboardEvent) => {
    if (holds && event.code === 'Space') event.preventDefault();
  };
  return (
    <button
      ref={face}
      type="button"
      className={`orb ${phase}`}
      aria-label={holds ? 'Hold to talk' : live && !typed ? 'End the conversation' : 'Talk'}
      {...(holds ? { 'aria-pressed': shown.turns.talking } : {})}
      onClick={begin}
      onKeyDown={key}
      onPointerDown={down}
      onPointerUp={() => conversation.release()}
      onPointerCancel={() => conversation.release()}
      onContextMenu={(event) => event.preventDefault()}
    >
      <span className="ring out" />
      <span className="ring in" />
      <span className="core">
        <Icon name={live && !typed ? (holds ? 'hold' : 'wave') : 'microphone'} />
      </span>
    </button>
  );
}

/** Smooth enough for a level, and a third of the work of every frame. */
const FRAME_MS = 40;

/** Levels go past React, straight to the style of the element. */
function useLevels(conversation: Conversation, face: React.RefObject<HTMLButtonElement | null>, live: boolean): void {
  useEffect(() => {
    const element = face.current;
    if (!live || element === null) return undefined;
    let frame = 0;
    let lastMs = 0;
    const draw = (nowMs: number) => {
      frame = requestAnimationFrame(draw);
      if (nowMs - lastMs < FRAME_MS) return;
      lastMs = nowMs;
      const { input, output } = conversation.levels;
      element.style.setProperty('--in', input.toFixed(3));
      element.style.setProperty('--out', output.toFixed(3));
    };
    frame = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(frame);
      element.style.setProperty('--in', '0');
      element.style.setProperty('--out', '0');
    };
  }, [conversation, face, live]);
}
