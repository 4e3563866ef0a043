/** The frame around the views, and which one is shown. */

import { type MouseEvent, useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { AgentLine } from './adapters/agentLine.ts';
import type { Admission } from './adapters/api.ts';
import type { Conversation } from './adapters/conversation.ts';
import { phaseOf } from './turn/state.ts';
import { AgentPanel } from './views/AgentPanel.tsx';
import { Inspector } from './views/Inspector.tsx';
import { Sessions } from './views/Sessions.tsx';
import { Status } from './views/Status.tsx';
import { Talk } from './views/Talk.tsx';
import { Welcome } from './views/Welcome.tsx';

const VIEWS = [
  { path: '/', name: 'Talk', View: Talk },
  { path: '/sessions', name: 'Sessions', View: Sessions },
  { path: '/dev', name: 'Inspector', View: Inspector },
  { path: '/status', name: 'Status', View: Status },
] as const;

interface Props {
  readonly conversation: Conversation;
  readonly line: AgentLine;
  readonly admission: Promise<Admission>;
}

export function App({ conversation, line, admission }: Props) {
  const [path, go] = usePath();
  const [admitted, setAdmitted] = useState<Admission>();
  useEffect(() => {
    void admission.then(setAdmitted);
  }, [admission]);
  const view = VIEWS.find((each) => each.path === path) ?? VIEWS[0];
  useEffect(() => {
    document.title = view.path === '/' ? 'voicemode' : `${view.name} · voicemode`;
  }, [view]);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <span className="mark">voicemode</span>
        <nav aria-label="Views">
          {VIEWS.map(({ path: to, name }) => (
            <a key={to} href={to} aria-current={to === view.path ? 'page' : undefined} onClick={(event) => followed(event, to, go)}>
              {name}
            </a>
          ))}
        </nav>
        <Live conversation={conversation} away={view.path !== '/'} />
      </header>
      {admitted === 'in' && <AgentPanel line={line} />}
      <main id="main" tabIndex={-1} className={view.path === '/' ? 'talk' : 'page'}>
        {admitted === 'in' && <view.View conversation={conversation} go={go} />}
        {admitted !== undefined && admitted !== 'in' && <Welcome admission={admitted} />}
      </main>
    </>
  );
}

/** A conversation goes on while another view is shown; this says so. */
function Live({ conversation, away }: { conversation: Conversation; away: boolean }) {
  const { turns } = useSyncExternalStore(conversation.subscribe, conversation.shown);
  if (!away || turns.base === 'idle') return null;
  return (
    <button type="button" className="small" onClick={() => conversation.end()}>
      <i className={`dot ${phaseOf(turns)}`} /> End the conversation
    </button>
  );
}

function followed(event: MouseEvent, to: string, go: (to: string) => void): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return; // another tab
  event.preventDefault();
  go(to);
}

function usePath(): [string, (to: string) => void] {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const back = () => setPath(location.pathname);
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = useCallback((to: string) => {
    history.pushState(null, '', to + location.search);
    setPath(to);
    document.getElementById('main')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, []);
  return [path, go];
}
