/** An agent that talks through this page, or would like to. */

import { useEffect, useSyncExternalStore } from 'react';
import type { AgentLine } from '../adapters/agentLine.ts';
import type { AgentPhase, Caption, LineState } from '../line/state.ts';
import './agent.css';

const SAYS: Readonly<Record<AgentPhase, string>> = {
  idle: 'is about to speak',
  waiting: 'waits for its turn',
  speaking: 'asks',
  listening: 'listens: speak now',
  hearing: 'hears you',
  thinking: 'writes down what you said',
  interrupted: 'listens: go on',
};

/** As many captions as are of use while one listens. */
const SHOWN = 4;

export function AgentPanel({ line }: { line: AgentLine }) {
  const state = useSyncExternalStore(line.subscribe, line.shown);
  useEffect(() => line.connect(), [line]);
  if (!state.connected && !state.ready) return null;
  return (
    <section className={`agent ${state.agent !== '' ? 'talks' : state.ringing !== '' ? 'rings' : ''}`} aria-label="Your agent">
      {state.agent !== '' ? <Talking line={line} state={state} /> : <Door line={line} state={state} />}
      {state.problem !== '' && (
        <p className="problem" role="alert">
          {state.problem}
        </p>
      )}
    </section>
  );
}

/** Whether agents may talk. */
function Door({ line, state }: { line: AgentLine; state: LineState }) {
  if (state.ready) {
    return (
      <>
        <p>
          <i className="dot" /> Your agent can talk with you here. It listens only while it asks you something.
        </p>
        <button type="button" className="small" onClick={() => line.forbid()}>
          Stop
        </button>
      </>
    );
  }
  return (
    <>
      <p role="status">{state.ringing === '' ? 'Your coding agent can use this page to talk with you.' : `${state.ringing} wants to talk with you.`}</p>
      <button type="button" className={state.ringing === '' ? 'small' : 'primary'} disabled={state.starting} onClick={() => void line.allow()}>
        {state.starting ? 'One moment' : state.ringing === '' ? 'Let it talk' : 'Answer'}
      </button>
    </>
  );
}

function Talking({ line, state }: { line: AgentLine; state: LineState }) {
  const speaks = state.phase === 'speaking';
  return (
    <>
      <p className={`doing ${state.phase}`} role="status">
        <i className={`dot ${state.phase}`} /> <b>{state.agent}</b> {state.paused ? 'is paused' : SAYS[state.phase]}
      </p>
      <div className="captions" role="log" aria-live="off" aria-label="What was said">
        {state.captions.slice(-SHOWN).map((caption) => (
          <Said key={caption.key} caption={caption} />
        ))}
        {state.words !== '' && (
          <p className="line user partial">
            {state.words}
            <span className="more"> …</span>
          </p>
        )}
      </div>
      <div className="buttons">
        {speaks && (
          <>
            <button type="button" className="small" aria-pressed={state.paused} onClick={() => line.press(state.paused ? 'resume' : 'pause')}>
              {state.paused ? 'Go on' : 'Pause'}
            </button>
            <button type="button" className="small" onClick={() => line.press('stop')}>
              Interrupt
            </button>
          </>
        )}
        <button type="button" className="small end" onClick={() => line.forbid()}>
          Hang up
        </button>
      </div>
    </>
  );
}

function Said({ caption }: { caption: Caption }) {
  if (caption.mine) return <p className="line user">{caption.text}</p>;
  return (
    <p className={`line assistant ${caption.cut ? 'cut' : ''}`}>
      <span className="heard">{caption.text.slice(0, caption.heard)}</span>
      <span className="rest">{caption.text.slice(caption.heard)}</span>
      {caption.cut && <span className="tag">not heard</span>}
    </p>
  );
}
