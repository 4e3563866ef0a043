/** Every event of the wire: filtered, searched, looked at and taken along. */

import { useDeferredValue, useState } from 'react';
import { type Entry, type Filter, filtered, ndjson } from '../inspect/ring.ts';
import { Icon } from './Icon.tsx';

/** Rows that are drawn; the download has all. */
const ROWS = 300;
const SIGNS = { client: '→', server: '←', page: '·' } as const;
const WHO = { client: 'from this page', server: 'from the server', page: 'a note of the page' } as const;

export function Events({ entries }: { entries: readonly Entry[] }) {
  const [filter, setFilter] = useState<Filter>({ from: 'all', type: '', search: '', sound: false });
  const [chosen, setChosen] = useState<number>();
  const found = filtered(entries, useDeferredValue(filter));
  const event = found.find((entry) => entry.number === chosen);
  return (
    <>
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
        <button type="button" onClick={() => save(ndjson(found))} disabled={found.length === 0}>
          <Icon name="download" /> NDJSON
        </button>
      </form>
      <p className="note" role="status">
        {found.length} of {entries.length} events{found.length > ROWS && `, the last ${ROWS} are shown`}. The oldest are forgotten; sound is never kept.
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
                <time>{moment(entry.atMs)}</time>
                <span aria-hidden="true">{SIGNS[entry.from]}</span>
                <code>{entry.type}</code>
                <span className="hidden">, {WHO[entry.from]}</span>
              </button>
            </li>
          ))}
        </ol>
        <pre className="json" tabIndex={0} aria-label="The event">
          {event === undefined ? 'Choose an event.' : JSON.stringify(event.event, null, 2)}
        </pre>
      </div>
    </>
  );
}

/** "21:40:07.123". */
function moment(atMs: number): string {
  return `${new Date(atMs).toLocaleTimeString('en-GB')}.${String(Math.floor(atMs % 1000)).padStart(3, '0')}`;
}

function save(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `voicemode-${new Date().toISOString().replace(/[:.]/g, '-')}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
