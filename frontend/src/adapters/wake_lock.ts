/** Keeps the screen on while somebody talks: a phone that locks itself closes the microphone. */

import type { Disposables } from './disposables.ts';

export function keepAwake(owner: Disposables): void {
  if (!('wakeLock' in navigator)) return;
  let lock: WakeLockSentinel | undefined;
  const take = async () => {
    if (document.visibilityState !== 'visible' || owner.closed) return;
    // Refused when the battery is low; nothing depends on it.
    lock = await navigator.wakeLock.request('screen').catch(() => undefined);
    if (owner.closed) void lock?.release();
  };
  // The browser takes it away from a page that is hidden.
  owner.listen(document, 'visibilitychange', () => void take());
  owner.add(() => void lock?.release());
  void take();
}
