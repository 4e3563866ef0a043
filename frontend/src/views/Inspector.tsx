/** What went over the wire, and what the turns cost. */

import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { pictures, toolUses } from '../inspect/timeline.ts';
import type { Entry } from '../inspect/ring.ts';
import { list, number, object, text } from '../protocol/json.ts';
import { Events } from './Events.tsx';
import { Turns } from './Turns.tsx';
import { clock } from './format.ts';
import type { ViewProps } from './view.ts';
import './inspector.css';

const EVERY_MS = 400;
const TABS = ['Turns', 'Transcript', 'Tools', 'Events'] as const;
type Tab = (typeof TABS)[number];

export function Inspector({ conversation }: ViewProps) {
  const { ring } = conversation;
  const [, setSeen] = useState(0);
  const [held, setHeld] = useState<readonly Entry[]>();
  const [tab, setTab] = useState<Tab>('Turns');
  const id = useId();
  useEffect(() => {
    const timer = setInterval(() => setSeen(ring.count), EVERY_MS);
    return () => clearInterval(timer);
  }, [ring]);
  const entries = held ?? ring.entries;
  const clear = () => {
    ring.clear();
    conversation.levelLog.clear();
    setHeld(undefined);
  };
  return (
    <section className="inspector">
      <header className="head">
        <h1>Inspector</h1>
        <div className="row">
          <button type="button" aria-pressed={held !== undefined} onClick={() => setHeld(held === undefined ? [...ring.entries] : undefined)}>
            {held === undefined ? 'Hold still' : 'Go on'}
          </button>
          <button type="button" onClick={clear} disabled={entries.length === 0}>
            Clear
          </button>
        </div>
      </header>
      <Tabs chosen={tab} choose={setTab} id={id} />
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${tab}`} className="tabpanel">
        {tab === 'Turns' && <Turns turns={pictures(entries)} levels={conversation.levelLog} />}
        {tab === 'Transcript' && <Lines entries={entries} />}
        {tab === 'Tools' && <Tools entries={entries} />}
        {tab === 'Events' && <Events entries={entries} />}
      </div>
    </section>
  );
}

/** The arrow keys go from one to the next, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ has it. */
function Tabs({ chosen, choose, id }: { chosen: Tab; choose: (tab: Tab) => void; id: string }) {
  const list = useRef<HTMLDivElement>(null);
  const key = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = (TABS.indexOf(chosen) + step + TABS.length) % TABS.length;
    choose(TABS[at] ?? 'Turns');
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[at]?.focus();
  };
  return (
    <div ref={list} className="tabs" role="tablist" aria-label="What is shown" onKeyDown={key}>
      {TABS.map((each) => (
        <button
          key={each}
          type="button"
          role="tab"
          id={`${id}-${each}`}
          aria-selected={each === chosen}
          aria-controls={`${id}-panel`}
          tabIndex={each === chosen ? 0 : -1}
          onClick={() => choose(each)}
        >
          {each}
        </button>
      ))}
    </div>
  );
}

// -- who said what, as the events tell it

interface Said {
  readonly id: string;
  readonly atMs: number;
  readonly who: 'you' | 'assistant';
  readonly text: string;
  readonly remark: string;
}

function Lines({ entries }: { entries: readonly Entry[] }) {
  const lines = transcript(entries);
  if (lines.length === 0) return <p className="note">Nothing was said yet.</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Transcript">
      <table className="wrapped">
        <thead>
          <tr>
            <th scope="col">at</th>
            <th scope="col">who</th>
            <th scope="col">words</th>
            <th scope="col">item</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((each) => (
            <tr key={each.id}>
              <td>{clock(each.atMs / 1000)}</td>
              <td>{each.who}</td>
              <td>
                {each.text} {each.remark !== '' && <small className="tag">{each.remark}</small>}
              </td>
              <td>
                <code>{each.id}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function transcript(entries: readonly Entry[]): readonly Said[] {
  const lines = new Map<string, Said>();
  const put = (id: string, atMs: number, change: Partial<Said>) => {
    lines.set(id, { ...(lines.get(id) ?? { id, atMs, who: 'assistant', text: '', remark: '' }), ...change });
  };
  for (const { type, event, atMs } of entries) {
    const id = text(event, 'item_id');
    const words = text(event, 'transcript') || text(event, 'text');
    if (type === 'conversation.item.input_audio_transcription.completed') put(id, atMs, { who: 'you', text: words });
    if (type === 'conversation.item.input_audio_transcription.failed') put(id, atMs, { who: 'you', text: '', remark: 'not written down' });
    if (type === 'response.output_audio_transcript.done' || type === 'response.output_text.done') put(id, atMs, { text: words });
    if (type === 'conversation.item.truncated') put(id, atMs, { remark: `heard ${number(event, 'audio_end_ms')} ms of it` });
    if (type === 'conversation.item.create') {
      const typed = list(object(event['item']), 'content').map((part) => text(part, 'text')).join(' ').trim();
      if (typed !== '') put(`typed-${atMs}`, atMs, { who: 'you', text: typed, remark: 'typed' });
    }
  }
  return [...lines.values()];
}

function Tools({ entries }: { entries: readonly Entry[] }) {
  const uses = toolUses(entries);
  if (uses.length === 0) return <p className="note">No tool was used yet.</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Tools">
      <table className="wrapped">
        <thead>
          <tr>
            {['at', 'tool', 'state', 'ms', 'arguments', 'result'].map((each) => (
              <th key={each} scope="col">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {uses.map((use) => (
            <tr key={use.itemId}>
              <td>{clock(use.atMs / 1000)}</td>
              <th scope="row">
                <code>
                  {use.server !== '' && `${use.server}.`}
                  {use.name}
                </code>
              </th>
              <td>{use.state}</td>
              <td>{use.tookMs === undefined ? '–' : Math.round(use.tookMs)}</td>
              <td>
                <code>{use.arguments}</code>
              </td>
              <td>
                <code>{use.output}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
