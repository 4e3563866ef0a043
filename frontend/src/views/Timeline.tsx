/** A turn as a picture: who was loud when, what the server found, and when the answer could be heard. */

import { type RefObject, useEffect, useId, useRef, useState } from 'react';
import type { Level, LevelLog } from '../inspect/levels.ts';
import type { Span, TurnPicture } from '../inspect/timeline.ts';

const LABELS_PX = 72;
const ROW_PX = 34;
const LEVEL_PX = 44;
const AXIS_PX = 26;
/** Apart from one another, so that their names can be read. */
const TICKS = 6;

export function Timeline({ picture, levels }: { picture: TurnPicture; levels: LevelLog }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const title = useId();
  const { fromMs, toMs } = picture;
  const x = (ms: number) => LABELS_PX + ((ms - fromMs) / Math.max(1, toMs - fromMs)) * Math.max(50, width - LABELS_PX - 12);
  const loud = levels.between(fromMs, toMs);
  const names = named(picture, x);
  const rows = { you: 0, speech: LEVEL_PX, marks: LEVEL_PX + ROW_PX, answer: 0, playback: 0, axis: 0 };
  rows.answer = rows.marks + 16 + 17 * names.lanes;
  rows.playback = rows.answer + LEVEL_PX;
  rows.axis = rows.playback + ROW_PX;
  const bar = ({ fromMs: from, toMs: to }: Span, y: number, kind: string) => (
    <rect key={`${kind} ${from}`} className={kind} x={x(from)} y={y + 8} width={Math.max(3, x(to) - x(from))} height={ROW_PX - 16} rx={5} />
  );
  return (
    <div ref={box} className="picture">
      <svg width={width} height={rows.axis + AXIS_PX} role="img" aria-labelledby={title}>
        <title id={title}>{told(picture)}</title>
        {ticks(fromMs, toMs, picture.times.stoppedMs).map(({ atMs, name }) => (
          <g key={atMs}>
            <line className="tick" x1={x(atMs)} x2={x(atMs)} y1={4} y2={rows.axis} />
            <text className="axis" x={x(atMs)} y={rows.axis + 17} textAnchor="middle">
              {name}
            </text>
          </g>
        ))}
        <text x={0} y={LEVEL_PX - 10}>you</text>
        <path className="loud in" d={area(loud, 'input', x, LEVEL_PX)} />
        <text x={0} y={rows.speech + 22}>speech</text>
        {picture.speech !== undefined && bar(picture.speech, rows.speech, 'speech')}
        <text x={0} y={rows.marks + 20}>server</text>
        {names.marks.map(({ atMs, name, lane, flip }) => (
          <g key={`${name} ${atMs}`}>
            <line className="step" x1={x(atMs)} x2={x(atMs)} y1={rows.marks + 4} y2={rows.answer - 4} />
            <circle className="step" cx={x(atMs)} cy={rows.marks + 16 + 17 * lane} r={4} />
            <text x={x(atMs) + (flip ? -8 : 8)} y={rows.marks + 20 + 17 * lane} textAnchor={flip ? 'end' : 'start'}>
              {name}
            </text>
          </g>
        ))}
        <text x={0} y={rows.answer + LEVEL_PX - 10}>answer</text>
        <path className="loud out" d={area(loud, 'output', x, rows.answer + LEVEL_PX)} />
        <text x={0} y={rows.playback + 22}>heard</text>
        {picture.playback.map((each) => bar(each, rows.playback, `playback ${each.end.replace(' ', '-')}`))}
        <line className="end-of-turn" x1={x(picture.times.stoppedMs)} x2={x(picture.times.stoppedMs)} y1={4} y2={rows.axis} />
      </svg>
    </div>
  );
}

/** Names beside their moments, one below the other where they would overlap. */
function named({ marks, times, toMs }: TurnPicture, x: (ms: number) => number) {
  const all = [{ name: 'turn over', atMs: times.stoppedMs }, ...marks.filter(({ name }) => name !== 'committed')];
  const ends: number[] = [];
  const right = x(toMs);
  const placed = all.map(({ name, atMs }) => {
    const length = 16 + name.length * 7.5;
    const flip = x(atMs) + length > right;
    const from = flip ? x(atMs) - length : x(atMs) - 6;
    let lane = ends.findIndex((end) => end < from);
    if (lane < 0) lane = ends.length;
    ends[lane] = flip ? x(atMs) + 6 : x(atMs) + length;
    return { name, atMs, lane, flip };
  });
  return { marks: placed, lanes: Math.max(1, ends.length) };
}

function area(levels: readonly Level[], side: 'input' | 'output', x: (ms: number) => number, floor: number): string {
  const [first, last] = [levels[0], levels.at(-1)];
  if (first === undefined || last === undefined) return '';
  const points = levels.map((level) => `L${x(level.atMs).toFixed(1)} ${(floor - 4 - level[side] * (LEVEL_PX - 10)).toFixed(1)}`);
  return `M${x(first.atMs).toFixed(1)} ${floor - 4} ${points.join(' ')} L${x(last.atMs).toFixed(1)} ${floor - 4} Z`;
}

/** At round distances from the end of the turn. */
function ticks(fromMs: number, toMs: number, zeroMs: number): readonly { atMs: number; name: string }[] {
  const step = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000].find((each) => (toMs - fromMs) / each <= TICKS) ?? 300_000;
  const found: { atMs: number; name: string }[] = [];
  for (let at = Math.ceil((fromMs - zeroMs) / step) * step; zeroMs + at <= toMs; at += step) {
    found.push({ atMs: zeroMs + at, name: at === 0 ? '0' : `${at > 0 ? '+' : '−'}${Math.abs(at) / 1000} s` });
  }
  return found;
}

function told({ speech, marks, playback, times }: TurnPicture): string {
  const after = (ms: number) => `${Math.round(ms - times.stoppedMs)} ms`;
  const parts = [
    ...(speech === undefined ? [] : [`You spoke for ${((speech.toMs - speech.fromMs) / 1000).toFixed(1)} s`]),
    ...marks.map(({ name, atMs }) => `${name} after ${after(atMs)}`),
    ...playback.map(({ fromMs, end }) => `the answer was heard from ${after(fromMs)} on and ${end === 'cut' ? 'cut off' : end}`),
  ];
  return `${parts.join(', ')}.`;
}

function useWidth(box: RefObject<HTMLDivElement | null>): number {
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.max(320, Math.floor(entry?.contentRect.width ?? 640))));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [box]);
  return width;
}
