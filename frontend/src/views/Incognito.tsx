/** Whether what is said is kept, and what that means. */

import { useId, useSyncExternalStore } from 'react';
import type { Conversation } from '../adapters/conversation.ts';
import { chooseMemory } from '../adapters/memory.ts';
import { Icon } from './Icon.tsx';

export function Incognito({ conversation }: { conversation: Conversation }) {
  const { incognito, turns } = useSyncExternalStore(conversation.subscribe, conversation.shown);
  const [name, meaning] = [useId(), useId()];
  const busy = turns.base !== 'idle';
  return (
    <div className={`incognito ${incognito ? 'on' : ''}`}>
      <Icon name={incognito ? 'incognito' : 'kept'} />
      <div>
        <label id={name} htmlFor={`${name}-switch`}>
          Incognito
        </label>
        <p id={meaning}>{busy ? 'It can be changed when the conversation is over.' : incognito ? OFF_THE_RECORD : ON_THE_RECORD}</p>
      </div>
      <button
        id={`${name}-switch`}
        type="button"
        role="switch"
        className="switch"
        aria-checked={incognito}
        aria-labelledby={name}
        aria-describedby={meaning}
        disabled={busy}
        onClick={() => chooseMemory(conversation, !incognito)}
      />
    </div>
  );
}

const OFF_THE_RECORD = 'Nothing of your next conversation is written to the server’s disk. It is forgotten when it is over.';
const ON_THE_RECORD = 'Your next conversation is kept on the server, where you can read, search, export and forget it.';
