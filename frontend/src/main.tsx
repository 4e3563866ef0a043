import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { AgentLine } from './adapters/agentLine.ts';
import { attach } from './adapters/api.ts';
import { Conversation } from './adapters/conversation.ts';
import { rememberMemory } from './adapters/memory.ts';
import { App } from './app.tsx';
import './style.css';

const wanted = new URLSearchParams(location.search).get('transport');
const conversation = new Conversation(wanted === 'ws' ? 'websocket' : wanted === 'webrtc' ? 'webrtc' : undefined);
const line = new AgentLine();
addEventListener('pagehide', (event) => {
  conversation.end();
  if (!event.persisted) line.close(); // else it is lost by itself, and comes back
});

// Tests and curious people look at it in the console; there is nothing in it that the page does not show.
Object.assign(globalThis, { voicemode: conversation, agentLine: line });

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no root');
const admission = attach();
conversation.incognito(true);
void admission.then((admitted) => (admitted === 'in' ? rememberMemory(conversation) : undefined));
createRoot(root).render(
  <StrictMode>
    <App conversation={conversation} line={line} admission={admission} />
  </StrictMode>,
);
