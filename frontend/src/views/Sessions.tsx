/** What was said before: found, read, played, taken along, and forgotten. */

import { useCallback, useDeferredValue, useEffect, useState } from 'react';
import { type Found, type Thread, search, threads } from '../adapters/kept.ts';
import { Icon } from './Icon.tsx';
import { Incognito } from './Incognito.tsx';
import { Reading } from './Reading.tsx';
import { useAsked } from './asked.ts';
import { ago, count } from './format.ts';
import type { ViewProps } from './view.ts';
import './sessions.css';

export const SURFACES: Readonly<Record<string, string>> = {
  cli: 'typed',
  converse: 'converse',
  websocket: 'WebSocket',
  webrtc: 'WebRTC',
  gptme: 'gptme',
  phone: 'telephone',
  api: 'typed',
};

interface Chosen {
  readonly thread: string;
  /** The entry that was looked for. */
  readonly key: string;
}

export function Sessions({ conversation, go }: ViewProps) {
  const [chosen, choose] = useChosen();
  const [wanted, setWanted] = useState('');
  const looked = useDeferredValue(wanted.trim());
  const all = useAsked(threads);
  return (
    <section className={`sessions ${chosen === undefined ? '' : 'reading'}`}>
      <header className="head">
        <h1>Sessions</h1>
        <Incognito conversation={conversation} />
      </header>
      <div className="panes">
        <div className="shelf">
          <form role="search" onSubmit={(event) => event.preventDefault()}>
            <Icon name="search" />
            <input
              type="search"
              value={wanted}
              onChange={(event) => setWanted(event.target.value)}
              placeholder="Search what was said"
              aria-label="Search what was said"
            />
          </form>
          {looked === '' ? (
            <Threads all={all.answer} problem={all.problem} chosen={chosen?.thread} />
          ) : (
            <Places key={looked} wanted={looked} chosen={chosen} />
          )}
        </div>
        {chosen === undefined ? (
          <p className="nothing note">Choose a conversation to read it.</p>
        ) : (
          <Reading
            key={chosen.thread}
            thread={chosen.thread}
            entry={chosen.key}
            onGoOn={() => {
              conversation.goOn(chosen.thread);
              go('/');
            }}
            onLeft={() => choose(undefined)}
            onForgotten={() => {
              choose(undefined);
              all.again();
            }}
          />
        )}
      </div>
    </section>
  );
}

function Threads({ all, problem, chosen }: { all: readonly Thread[] | undefined; problem: string; chosen: string | undefined }) {
  if (problem !== '') return <p className="problem">{problem}</p>;
  if (all === undefined) return <p className="note">Looking …</p>;
  if (all.length === 0) return <p className="note">Nothing is kept. Conversations that are not incognito appear here.</p>;
  const nowS = Date.now() / 1000;
  return (
    <ul className="threads" aria-label="Conversations">
      {all.map((each) => (
        <li key={each.thread}>
          <a href={addressOf({ thread: each.thread, key: '' })} aria-current={each.thread === chosen ? 'true' : undefined}>
            <strong>{each.opening || each.thread}</strong>
            <small>
              {ago(each.touchedAt, nowS)} · {each.entries === 1 ? '1 entry' : `${each.entries} entries`} · {surfacesOf(each)}
            </small>
          </a>
        </li>
      ))}
    </ul>
  );
}

function Places({ wanted, chosen }: { wanted: string; chosen: Chosen | undefined }) {
  const ask = useCallback((signal: AbortSignal) => search(wanted, signal), [wanted]);
  const { answer, problem } = useAsked<readonly Found[]>(ask);
  if (problem !== '') return <p className="problem">{problem}</p>;
  if (answer === undefined) return <p className="note">Searching …</p>;
  const nowS = Date.now() / 1000;
  return (
    <>
      <p className="note" role="status">
        {answer.length === 0 ? 'Nothing of that was said.' : `${count(answer.length, 'place')}, best first`}
      </p>
      <ul className="threads" aria-label="Places that were found">
        {answer.map(({ thread, snippet, entry }) => (
          <li key={`${thread} ${entry.key}`}>
            <a href={addressOf({ thread, key: entry.key })} aria-current={thread === chosen?.thread && entry.key === chosen.key ? 'true' : undefined}>
              <span>{snippet}</span>
              <small>
                {entry.role === 'user' ? 'You' : entry.role === 'assistant' ? 'Assistant' : entry.tool || entry.role} · {ago(entry.beganAt, nowS)}
              </small>
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

function surfacesOf({ surfaces }: Thread): string {
  return [...new Set(surfaces.map((each) => SURFACES[each] ?? each))].join(', ');
}

// -- what is read is in the address, so that Back and a reload do what people expect

function addressOf({ thread, key }: Chosen): string {
  const words = new URLSearchParams(key === '' ? { thread } : { thread, entry: key });
  return `${location.pathname}${location.search}#${words}`;
}

function inAddress(): Chosen | undefined {
  const words = new URLSearchParams(location.hash.slice(1));
  const thread = words.get('thread');
  return thread === null ? undefined : { thread, key: words.get('entry') ?? '' };
}

function useChosen(): [Chosen | undefined, (chosen: Chosen | undefined) => void] {
  const [chosen, setChosen] = useState(inAddress);
  useEffect(() => {
    const changed = () => setChosen(inAddress());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const choose = useCallback((next: Chosen | undefined) => {
    history.replaceState(null, '', next === undefined ? location.pathname + location.search : addressOf(next));
    setChosen(next);
  }, []);
  return [chosen, choose];
}
