/** Who listens, speaks and answers here. */

import { useEffect, useState } from 'react';
import { ask } from '../adapters/api.ts';
import type { ViewProps } from './view.ts';

export function Status(_: ViewProps) {
  const [told, setTold] = useState('');
  useEffect(() => {
    const left = new AbortController();
    ask('GET', '/readyz', undefined, left.signal).then(
      (answer) => setTold(JSON.stringify(answer, null, 2)),
      (error: unknown) => {
        if (!left.signal.aborted) setTold(error instanceof Error ? error.message : String(error));
      },
    );
    return () => left.abort();
  }, []);
  return (
    <section>
      <h1>Status</h1>
      <pre className="json">{told || 'Asking …'}</pre>
      <p>
        <code>voicemode doctor</code> says what to do about what is missing.
      </p>
    </section>
  );
}
