/** One conversation that is kept. */

import { Fragment, useCallback, useEffect, useRef, useState } from 'react';
import { type KeptEntry, type Standing, type Stretch, type Told, exportAddress, forget, read, soundAddress } from '../adapters/kept.ts';
import { Feedback } from './Feedback.tsx';
import { Icon } from './Icon.tsx';
import { SURFACES } from './Sessions.tsx';
import { useAsked, wordsOf } from './asked.ts';
import { clock, day, duration } from './format.ts';

interface Props {
  readonly thread: string;
  /** The entry to show first; empty: the beginning. */
  readonly entry: string;
  readonly onGoOn: () => void;
  readonly onForgotten: () => void;
  readonly onLeft: () => void;
}

const REMARKS: Readonly<Record<Exclude<Standing, 'whole'>, readonly [string, string]>> = {
  interrupted: ['interrupted', 'You interrupted this; these are the words that you heard.'],
  in_flight: ['going on', 'This is still being said.'],
  failed: ['failed', 'Nobody could write it down, or the answer broke off.'],
  lost: ['lost', 'Its process ended before it was over.'],
};

export function Reading({ thread, entry, onGoOn, onForgotten, onLeft }: Props) {
  const ask = useCallback((signal: AbortSignal) => read(thread, signal), [thread]);
  const { answer, problem, again } = useAsked<Told>(ask);
  if (problem !== '' && answer === undefined) return <p className="problem">{problem}</p>;
  if (answer === undefined) return <p className="nothing note">Opening …</p>;
  const last = answer.sessions.at(-1);
  const opening = answer.entries.find((each) => each.role === 'user')?.text || answer.entries[0]?.text || thread;
  return (
    <article className="kept" aria-label="Conversation">
      <button type="button" className="back" onClick={onLeft}>
        <Icon name="back" /> All sessions
      </button>
      <h2>{opening}</h2>
      <Actions thread={thread} onGoOn={onGoOn} onForgotten={onForgotten} />
      <div className="said">
        {answer.entries.map((each, i) => (
          <Fragment key={each.key}>
            <Begins sessions={answer.sessions} after={answer.entries[i - 1]?.beganAt ?? 0} until={each.beganAt} />
            <Entry entry={each} thread={thread} sought={each.key === entry} />
          </Fragment>
        ))}
      </div>
      {last !== undefined && last.feedback === '' && <Feedback thread={thread} onSent={again} />}
    </article>
  );
}

function Actions({ thread, onGoOn, onForgotten }: Pick<Props, 'thread' | 'onGoOn' | 'onForgotten'>) {
  const name = thread.replace(/[^\w-]+/g, '-');
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <div className="row">
      <button type="button" className="primary" onClick={onGoOn}>
        <Icon name="microphone" /> Go on
      </button>
      <a className="button" href={exportAddress(thread, 'markdown')} download={`${name}.md`}>
        <Icon name="download" /> Markdown
      </a>
      <a className="button" href={exportAddress(thread, 'json')} download={`${name}.json`}>
        <Icon name="download" /> JSON
      </a>
      <button type="button" className="end" onClick={() => dialog.current?.showModal()}>
        <Icon name="forget" /> Forget
      </button>
      <Ask dialog={dialog} thread={thread} onForgotten={onForgotten} />
    </div>
  );
}

function Ask({ dialog, thread, onForgotten }: { dialog: React.RefObject<HTMLDialogElement | null>; thread: string; onForgotten: () => void }) {
  const [problem, setProblem] = useState('');
  const confirmed = () => {
    forget(thread).then(onForgotten, (error: unknown) => setProblem(wordsOf(error)));
  };
  return (
    <dialog ref={dialog} aria-labelledby="forget-title">
      <h2 id="forget-title">Forget this conversation?</h2>
      <p>Its words, their index and its sound are removed from the server’s disk. Nobody can bring them back.</p>
      {problem !== '' && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="row">
        <button type="button" onClick={() => dialog.current?.close()}>
          Keep it
        </button>
        <button type="button" className="danger" onClick={confirmed}>
          Forget it
        </button>
      </div>
    </dialog>
  );
}

/** Where another surface took the thread up. */
function Begins({ sessions, after, until }: { sessions: readonly Stretch[]; after: number; until: number }) {
  const begun = sessions.filter(({ beganAt, entries }) => entries > 0 && beganAt > after && beganAt <= until);
  return begun.map((each) => {
    const parts = [
      `${day(each.beganAt, Date.now() / 1000)}, ${clock(each.beganAt)}`,
      SURFACES[each.surface] ?? each.surface,
      each.closedAt > 0 ? duration(each.closedAt - each.beganAt) : 'going on',
    ];
    return (
      <div key={each.session} className="stretch">
        <p>{parts.join(' · ')}</p>
        {each.summary !== '' && <blockquote>{each.summary}</blockquote>}
        {each.feedback !== '' && <p className="note">You said about it: “{each.feedback}”</p>}
      </div>
    );
  });
}

function Entry({ entry, thread, sought }: { entry: KeptEntry; thread: string; sought: boolean }) {
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (sought) row.current?.scrollIntoView({ block: 'center' });
  }, [sought]);
  const remark = entry.standing === 'whole' ? undefined : REMARKS[entry.standing];
  const who = entry.role === 'user' ? 'You' : entry.role === 'assistant' ? 'Assistant' : entry.role === 'tool' ? 'Tool' : 'System';
  return (
    <div ref={row} className={`entry ${entry.role} ${sought ? 'sought' : ''}`}>
      <p className="meta">
        <span>{who}</span> <time dateTime={new Date(entry.beganAt * 1000).toISOString()}>{clock(entry.beganAt)}</time>
        {entry.surface !== '' && <span>{SURFACES[entry.surface] ?? entry.surface}</span>}
        {remark !== undefined && (
          <span className="tag" title={remark[1]}>
            {remark[0]}
          </span>
        )}
      </p>
      {entry.role === 'tool' ? <ToolEntry entry={entry} /> : <p className={`line ${entry.role}`}>{entry.text || '(no words)'}</p>}
      {remark !== undefined && entry.standing === 'interrupted' && entry.role === 'assistant' && <p className="note">You heard this much.</p>}
      {(entry.audio || entry.timings.length > 0) && (
        <div className="beside">
          {entry.audio && <Play address={soundAddress(thread, entry.key)} />}
          {entry.timings.length > 0 && <Timings timings={entry.timings} />}
        </div>
      )}
    </div>
  );
}

function ToolEntry({ entry }: { entry: KeptEntry }) {
  return (
    <details className={`call ${entry.standing === 'failed' ? 'failed' : ''}`}>
      <summary>
        <i className="spinner" aria-hidden="true" />
        <code>{entry.tool || 'tool'}</code>
      </summary>
      {entry.arguments !== '' && <pre className="json">{entry.arguments}</pre>}
      {entry.text !== '' && <pre className="json">{entry.text}</pre>}
    </details>
  );
}

function Timings({ timings }: { timings: KeptEntry['timings'] }) {
  return (
    <details className="timings">
      <summary>Times</summary>
      <dl>
        {timings.map(([name, seconds]) => (
          <div key={name}>
            <dt>{name.replaceAll('_', ' ')}</dt>
            <dd>{seconds.toFixed(2)} s</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function Play({ address }: { address: string }) {
  const sound = useRef<HTMLAudioElement>(null);
  const [state, setState] = useState<'still' | 'playing' | 'broken'>('still');
  const press = () => {
    const element = sound.current;
    if (element === null) return;
    if (state === 'playing') element.pause();
    else element.play().catch(() => setState('broken'));
  };
  return (
    <>
      <button type="button" className="small" onClick={press} disabled={state === 'broken'}>
        <Icon name={state === 'playing' ? 'stop' : 'play'} /> {state === 'broken' ? 'Its sound cannot be played' : state === 'playing' ? 'Stop' : 'Play'}
      </button>
      {/* What is said in it is written above it. */}
      <audio ref={sound} src={address} preload="none" onPlay={() => setState('playing')} onPause={() => setState('still')} onEnded={() => setState('still')} />
    </>
  );
}
