/** Devices, captions and whether the conversation is kept. */

import { useEffect, useState } from 'react';
import type { Conversation } from '../adapters/conversation.ts';
import type { Shown } from '../adapters/shown.ts';
import { Icon } from './Icon.tsx';
import { Incognito } from './Incognito.tsx';

const SIZES = ['small', 'normal', 'large', 'huge'] as const;
type Size = (typeof SIZES)[number];
const KEPT = 'voicemode.captions';

export function Settings({ conversation, shown }: { conversation: Conversation; shown: Shown }) {
  const [size, setSize] = useState<Size>(() => SIZES.find((each) => each === localStorage.getItem(KEPT)) ?? 'normal');
  useEffect(() => {
    document.documentElement.dataset['captions'] = size;
    localStorage.setItem(KEPT, size);
  }, [size]);
  const { inputs, outputs } = shown.devices;
  return (
    <details className="settings">
      <summary>
        <Icon name="settings" /> Settings
      </summary>
      <div className="sheet">
        <label>
          Microphone
          <select value={shown.input} onChange={(event) => void conversation.chooseInput(event.target.value)}>
            <option value="">The system’s choice</option>
            {inputs.map(({ id, label }) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
        </label>
        {outputs.length > 0 && (
          <label>
            Loudspeaker
            <select value={shown.output} onChange={(event) => void conversation.chooseOutput(event.target.value)}>
              <option value="">The system’s choice</option>
              {outputs.map(({ id, label }) => (
                <option key={id} value={id}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        )}
        <label>
          Size of the captions
          <select value={size} onChange={(event) => setSize(SIZES.find((each) => each === event.target.value) ?? 'normal')}>
            {SIZES.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <Incognito conversation={conversation} />
        <p className="keys">
          <kbd>M</kbd> mutes, <kbd>Esc</kbd> silences the assistant, <kbd>Space</kbd> talks while it is held (in hold to talk).
        </p>
      </div>
    </details>
  );
}
