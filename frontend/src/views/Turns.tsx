/** How long each step of each turn took, and a picture of the chosen one. */

import { useMemo, useState } from 'react';
import { percentile } from '../inspect/latency.ts';
import type { LevelLog } from '../inspect/levels.ts';
import type { TurnPicture } from '../inspect/timeline.ts';
import { Timeline } from './Timeline.tsx';

const COLUMNS = ['words', 'response', 'firstWord', 'firstSound', 'heard'] as const;
const NAMES = { words: 'words', response: 'answer begun', firstWord: 'first word', firstSound: 'first sound', heard: 'heard' } as const;
const PARTS = [0.5, 0.95] as const;
const ROWS = 50;

export function Turns({ turns, levels }: { turns: readonly TurnPicture[]; levels: LevelLog }) {
  const [chosen, setChosen] = useState<string>();
  const figures = useMemo(() => PARTS.map((part) => ({ part, values: COLUMNS.map((column) => of(turns, column, part)) })), [turns]);
  const picture = turns.find(({ times }) => times.itemId === chosen) ?? turns.at(-1);
  if (picture === undefined) return <p className="note">Say something in Talk. Here you then see how long each step of the turn took.</p>;
  return (
    <>
      <h2>Turn at {when(picture)}</h2>
      <Timeline picture={picture} levels={levels} />
      <h2>Steps of each turn</h2>
      <p className="note">Milliseconds after the server took the turn for over.</p>
      <div className="scroll" tabIndex={0} role="region" aria-label="Latencies">
        <table className="latencies">
          <thead>
            <tr>
              <th scope="col">turn</th>
              {COLUMNS.map((column) => (
                <th key={column} scope="col">
                  {NAMES[column]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {turns.slice(-ROWS).map((turn) => (
              <tr key={turn.times.itemId} className={turn === picture ? 'chosen' : ''}>
                <th scope="row">
                  <button type="button" className="small" aria-pressed={turn === picture} onClick={() => setChosen(turn.times.itemId)}>
                    {when(turn)}
                  </button>
                  {turn.times.interrupted && <small className="tag">interrupted</small>}
                </th>
                {COLUMNS.map((column) => (
                  <td key={column}>{shown(turn.times[column])}</td>
                ))}
              </tr>
            ))}
          </tbody>
          <tfoot>
            {figures.map(({ part, values }) => (
              <tr key={part}>
                <th scope="row">{part === 0.5 ? 'median' : `95th percentile`}</th>
                {values.map((value, j) => (
                  <td key={COLUMNS[j]}>{shown(value)}</td>
                ))}
              </tr>
            ))}
          </tfoot>
        </table>
      </div>
    </>
  );
}

function of(turns: readonly TurnPicture[], column: (typeof COLUMNS)[number], part: number): number | undefined {
  return percentile(turns.flatMap(({ times }) => times[column] ?? []), part);
}

function when({ times }: TurnPicture): string {
  return new Date(times.stoppedMs).toLocaleTimeString('en-GB');
}

function shown(ms: number | undefined): string {
  return ms === undefined ? '–' : Math.round(ms).toString();
}
