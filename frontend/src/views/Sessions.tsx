/** What was said before. */

import type { ViewProps } from './view.ts';

export function Sessions(_: ViewProps) {
  return (
    <section>
      <h1>Sessions</h1>
      <p>
        Conversations that are kept can be read and searched with <code>voicemode history</code>.
      </p>
    </section>
  );
}
