/** A wait that the network's return, or its owner's end, cuts short. */

import type { Disposables } from './disposables.ts';

export function pause(seconds: number, owner: Disposables): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => now(), seconds * 1000);
    const now = () => {
      clearTimeout(timer);
      globalThis.removeEventListener('online', now);
      resolve();
    };
    globalThis.addEventListener('online', now, { once: true });
    owner.add(now);
  });
}
