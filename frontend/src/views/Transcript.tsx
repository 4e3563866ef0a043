/** The words of both sides, and what the assistant does in between. */

import { memo, useEffect, useRef } from 'react';
import type { ApprovalLine, AssistantLine, CallLine, Line, UserLine } from '../turn/lines.ts';

interface Props {
  readonly lines: readonly Line[];
  readonly onDecide: (requestId: string, approve: boolean) => void;
}

export function Transcript({ lines, onDecide }: Props) {
  const end = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (atEnd.current) end.current?.scrollIntoView({ block: 'end' });
  }, [lines]);
  useEffect(() => {
    const box = list.current;
    if (box === null) return undefined;
    // Something below has come or gone.
    const watcher = new ResizeObserver(() => atEnd.current && end.current?.scrollIntoView({ block: 'end' }));
    watcher.observe(box);
    return () => watcher.disconnect();
  }, []);
  const scrolled = () => {
    const box = list.current;
    if (box !== null) atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  };
  // Not a live region: what is spoken aloud must not be read aloud as well. Announcements says what is not spoken.
  return (
    <div className="transcript" role="log" aria-live="off" aria-label="Conversation" tabIndex={0} ref={list} onScroll={scrolled}>
      {lines.map((line) => (
        <Row key={line.id} line={line} onDecide={onDecide} />
      ))}
      <div ref={end} />
    </div>
  );
}

const Row = memo(function Row({ line, onDecide }: { line: Line; onDecide: Props['onDecide'] }) {
  switch (line.kind) {
    case 'user':
      return <User line={line} />;
    case 'assistant':
      return <Assistant line={line} />;
    case 'call':
      return <Call line={line} />;
    case 'approval':
      return <Approval line={line} onDecide={onDecide} />;
    case 'note':
      return <p className="note">{line.text}</p>;
  }
});

function User({ line }: { line: UserLine }) {
  return (
    <p className={`line user ${line.partial ? 'partial' : ''}`}>
      <span className="hidden">You: </span>
      {line.text}
      {line.partial && <span className="more">{line.text === '' ? '…' : ' …'}</span>}
      {line.problem !== '' && <span className="problem">Your words could not be written down: {line.problem}</span>}
    </p>
  );
}

function Assistant({ line }: { line: AssistantLine }) {
  const [heard, rest] = [line.text.slice(0, line.heard), line.text.slice(line.heard)];
  return (
    <p className={`line assistant ${line.state}`}>
      <span className="hidden">Assistant: </span>
      <span className="heard">{heard}</span>
      {rest !== '' && line.state === 'cut' && <span className="hidden"> Not heard: </span>}
      {rest !== '' && <span className="rest">{rest}</span>}
      {line.state === 'cut' && <small className="tag">interrupted</small>}
    </p>
  );
}

const STATES = { running: 'running', completed: 'done', failed: 'failed' } as const;

function Call({ line }: { line: CallLine }) {
  return (
    <details className={`call ${line.state}`}>
      <summary>
        <i className="spinner" aria-hidden="true" />
        <code>
          {line.server !== '' && `${line.server}.`}
          {line.name}
        </code>
        <span className="state">{STATES[line.state]}</span>
      </summary>
      <pre className="json">{pretty(line.arguments)}</pre>
      {line.output !== '' && <pre className="json">{pretty(line.output)}</pre>}
    </details>
  );
}

function Approval({ line, onDecide }: { line: ApprovalLine; onDecide: Props['onDecide'] }) {
  const open = line.decision === undefined;
  return (
    <div className={`approval ${open ? 'open' : ''}`} role="group" aria-label={`May ${line.name} be used?`}>
      <p>
        {open ? 'May ' : line.decision ? 'Allowed: ' : 'Refused: '}
        <code>
          {line.server}.{line.name}
        </code>
        {open && ' be used?'}
      </p>
      <pre className="json">{pretty(line.arguments)}</pre>
      {open && (
        <div className="row">
          <button type="button" className="primary" onClick={() => onDecide(line.id, true)}>
            Allow
          </button>
          <button type="button" onClick={() => onDecide(line.id, false)}>
            Refuse
          </button>
        </div>
      )}
    </div>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
