/** The conversation. */

import { type FormEvent, useState, useSyncExternalStore } from 'react';
import type { Conversation } from '../adapters/conversation.ts';
import type { Shown } from '../adapters/shown.ts';
import { type Phase, phaseOf } from '../turn/state.ts';
import { Feedback } from './Feedback.tsx';
import { Icon } from './Icon.tsx';
import { Orb } from './Orb.tsx';
import { Settings } from './Settings.tsx';
import { Transcript } from './Transcript.tsx';
import { useKeys } from './keys.ts';
import type { ViewProps } from './view.ts';

const SAYS: Readonly<Record<Phase, string>> = {
  idle: 'Ready when you are',
  connecting: 'Connecting',
  listening: 'Listening',
  thinking: 'Thinking',
  speaking: 'Speaking',
  interrupted: 'Go on, I am listening',
};

export function Talk({ conversation }: ViewProps) {
  const shown = useSyncExternalStore(conversation.subscribe, conversation.shown);
  const phase = phaseOf(shown.turns);
  useKeys(conversation);
  const empty = shown.turns.lines.length === 0;
  return (
    <div className={`talk-view ${empty ? 'empty' : ''}`}>
      <h1 className="hidden">Talk</h1>
      {!empty && <Transcript lines={shown.turns.lines} onDecide={(id, approve) => conversation.decide(id, approve)} />}
      {over(shown) && <Feedback key={shown.turns.lines.length} thread={shown.thread} />}
      <section className="stage" aria-label="Call">
        <Orb conversation={conversation} shown={shown} phase={phase} />
        <div className="says">
          <p className={`phase ${phase}`}>{says(phase, shown)}</p>
          <p className="hint">{hint(phase, shown)}</p>
          {shown.turns.problem !== '' && (
            <p className="problem" role="alert">
              {shown.turns.problem}
            </p>
          )}
        </div>
        <Controls conversation={conversation} shown={shown} />
      </section>
      <Typing conversation={conversation} />
      <Announcements phase={phase} shown={shown} />
    </div>
  );
}

/** Of an incognito one there is nothing to add it to. */
function over({ turns, thread, incognito }: Shown): boolean {
  return turns.base === 'idle' && !incognito && thread !== '' && turns.lines.some(({ kind }) => kind === 'assistant');
}

function says(phase: Phase, { muted, microphone, mode }: Shown): string {
  if (phase === 'listening' && !microphone) return 'Type to go on';
  if (phase === 'listening' && muted) return 'Muted';
  if (phase === 'listening' && mode === 'hold') return 'Hold to talk';
  return SAYS[phase];
}

function hint(phase: Phase, { mode, transport, microphone }: Shown): string {
  if (phase === 'idle') return 'Press the button and speak. Or type below.';
  if (phase === 'connecting') return 'The browser may ask for your microphone.';
  if (!microphone) return 'Press the button to speak as well.';
  if (mode === 'hold') return 'Keep the button or the space bar down while you speak.';
  return phase === 'speaking' ? 'Speak up at any time to interrupt.' : transport === 'webrtc' ? 'Just talk.' : 'Just talk. Connected by WebSocket.';
}

function Controls({ conversation, shown }: { conversation: Conversation; shown: Shown }) {
  const live = shown.turns.base !== 'idle';
  const hold = shown.mode === 'hold';
  return (
    <div className="controls">
      {live && (
        <button type="button" aria-pressed={shown.muted} aria-keyshortcuts="M" disabled={!shown.microphone} onClick={() => conversation.mute(!shown.muted)}>
          <Icon name={shown.muted ? 'muted' : 'microphone'} /> {shown.muted ? 'Muted' : 'Mute'}
        </button>
      )}
      <button type="button" aria-pressed={hold} onClick={() => conversation.turnTaking(hold ? 'open' : 'hold')}>
        <Icon name="hold" /> Hold to talk
      </button>
      {live ? (
        <button type="button" className="end" onClick={() => conversation.end()}>
          <Icon name="end" /> End
        </button>
      ) : (
        shown.turns.lines.length > 0 && (
          <button type="button" onClick={() => conversation.renew()}>
            <Icon name="new" /> New
          </button>
        )
      )}
      <Settings conversation={conversation} shown={shown} />
    </div>
  );
}

function Typing({ conversation }: { conversation: Conversation }) {
  const [words, setWords] = useState('');
  const send = (event: FormEvent) => {
    event.preventDefault();
    conversation.type(words);
    setWords('');
  };
  return (
    <form className="typing" onSubmit={send}>
      <label className="hidden" htmlFor="words">
        Type a message
      </label>
      <input
        id="words"
        value={words}
        onChange={(event) => setWords(event.target.value)}
        placeholder="Type instead"
        autoComplete="off"
        enterKeyHint="send"
      />
      <button type="submit" aria-label="Send" disabled={words.trim() === ''}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** For those who do not see the page: what the voice does not say itself. */
function Announcements({ phase, shown }: { phase: Phase; shown: Shown }) {
  const last = shown.turns.lines.findLast((line) => line.kind === 'user' && !line.partial && !line.typed);
  const asked = shown.turns.lines.findLast((line) => line.kind === 'approval' && line.decision === undefined);
  const said = last?.kind === 'user' ? last.text : '';
  return (
    <div className="hidden" role="status" aria-live="polite">
      <p>{says(phase, shown)}</p>
      {said !== '' && <p>You said: {said}</p>}
      {asked?.kind === 'approval' && <p>The assistant asks whether it may use {asked.name}.</p>}
    </div>
  );
}
