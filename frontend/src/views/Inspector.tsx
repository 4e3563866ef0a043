/** What went over the wire, and what the turns cost. */

import { useDeferredValue, useEffect, useMemo, useState } from 'react';
import { type TurnTimes, percentile, turnTimes } from '../inspect/latency.ts';
import { type Entry, type Filter, filtered, ndjson } from '../inspect/ring.ts';
import type { ViewProps } from './view.ts';

const EVERY_MS = 400;
/** Rows that are drawn; the download has all. */
const ROWS = 300;
const COLUMNS = ['words', 'response', 'firstWord', 'firstSound', 'heard'] as const;
const NAMES = { words: 'words', response: 'response', firstWord: 'first word', firstSound: 'first sound', heard: 'heard' } as const;

export function Inspector({ conversation }: ViewProps) {
  const { ring } = conversation;
  const [, setSeen] = useState(0);
  const [held, setHeld] = useState<readonly Entry[]>();
  const [filter, setFilter] = useState<Filter>({ from: 'all', type: '', search: '', sound: false });
  const [chosen, setChosen] = useState<number>();
  useEffect(() => {
    const timer = setInterval(() => setSeen(ring.count), EVERY_MS);
    return () => clearInterval(timer);
  }, [ring]);
  const entries = held ?? ring.entries;
  const wanted = useDeferredValue(filter);
  const found = filtered(entries, wanted);
  const event = found.find((entry) => entry.number === chosen);
  return (
    <section className="inspector">
      <h1>Inspector</h1>
      <Latencies turns={turnTimes(entries)} />
      <h2>Events</h2>
      <form className="filters" onSubmit={(submitted) => submitted.preventDefault()}>
        <label>
          From
          <select value={filter.from} onChange={(change) => setFilter({ ...filter, from: change.target.value as Filter['from'] })}>
            <option value="all">everyone</option>
            <option value="client">this page</option>
            <option value="server">the server</option>
            <option value="page">notes of the page</option>
          </select>
        </label>
        <label>
          Type
          <input value={filter.type} onChange={(change) => setFilter({ ...filter, type: change.target.value })} placeholder="response." />
        </label>
        <label>
          Search
          <input type="search" value={filter.search} onChange={(change) => setFilter({ ...filter, search: change.target.value })} />
        </label>
        <label className="check">
          <input type="checkbox" checked={filter.sound} onChange={(change) => setFilter({ ...filter, sound: change.target.checked })} /> Sound
        </label>
        <button type="button" aria-pressed={held !== undefined} onClick={() => setHeld(held === undefined ? [...ring.entries] : undefined)}>
          {held === undefined ? 'Hold still' : 'Go on'}
        </button>
        <button type="button" onClick={() => ring.clear()}>
          Clear
        </button>
        <button type="button" className="primary" onClick={() => save(ndjson(found))} disabled={found.length === 0}>
          Download NDJSON
        </button>
      </form>
      <p className="note">
        {found.length} of {entries.length} events{found.length > ROWS && `, the last ${ROWS} are shown`}; the oldest are forgotten, and sound is
        never kept.
      </p>
      <div className="split">
        <ol className="events" aria-label="Events">
          {found.slice(-ROWS).map((entry) => (
            <li key={entry.number}>
              <button
                type="button"
                className={entry.from}
                aria-current={entry.number === chosen ? 'true' : undefined}
                onClick={() => setChosen(entry.number)}
              >
                <time>{new Date(entry.atMs).toISOString().slice(11, 23)}</time>
                <span aria-label={entry.from}>{entry.from === 'client' ? '→' : entry.from === 'server' ? '←' : '·'}</span>
                <code>{entry.type}</code>
              </button>
            </li>
          ))}
        </ol>
        <pre className="json" tabIndex={0} aria-label="The event">
          {event === undefined ? 'Choose an event.' : JSON.stringify(event.event, null, 2)}
        </pre>
      </div>
    </section>
  );
}

function Latencies({ turns }: { turns: readonly TurnTimes[] }) {
  const parts = useMemo(() => [0.5, 0.95].map((part) => ({ part, values: COLUMNS.map((column) => of(turns, column, part)) })), [turns]);
  const most = Math.max(500, ...turns.flatMap((turn) => COLUMNS.map((column) => turn[column] ?? 0)));
  if (turns.length === 0) return <p className="note">Once you have said something, this shows how long each step of a turn took.</p>;
  return (
    <div className="scroll">
      <table>
        <caption>Milliseconds after the server found that you had stopped</caption>
        <thead>
          <tr>
            <th scope="col">turn</th>
            {COLUMNS.map((column) => (
              <th key={column} scope="col">
                {NAMES[column]}
              </th>
            ))}
            <th scope="col">timeline</th>
          </tr>
        </thead>
        <tbody>
          {turns.slice(-20).map((turn) => (
            <tr key={turn.itemId}>
              <th scope="row">
                {new Date(turn.stoppedMs).toISOString().slice(11, 19)}
                {turn.interrupted && ' interrupted'}
              </th>
              {COLUMNS.map((column) => (
                <td key={column}>{shown(turn[column])}</td>
              ))}
              <td>
                <svg className="timeline" viewBox="0 0 200 12" role="img" aria-label="the steps on a line">
                  <line x1="0" y1="6" x2="200" y2="6" />
                  {COLUMNS.map((column) => turn[column] !== undefined && <circle key={column} className={column} cx={5 + (190 * turn[column]) / most} cy="6" r="4" />)}
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          {parts.map(({ part, values }) => (
            <tr key={part}>
              <th scope="row">p{part * 100}</th>
              {values.map((value, i) => (
                <td key={COLUMNS[i]}>{shown(value)}</td>
              ))}
              <td />
            </tr>
          ))}
        </tfoot>
      </table>
    </div>
  );
}

function of(turns: readonly TurnTimes[], column: (typeof COLUMNS)[number], part: number): number | undefined {
  return percentile(
    turns.map((turn) => turn[column]).filter((value) => value !== undefined),
    part,
  );
}

function shown(ms: number | undefined): string {
  return ms === undefined ? '–' : Math.round(ms).toString();
}

function save(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `voicemode-${new Date().toISOString().replace(/[:.]/g, '-')}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
