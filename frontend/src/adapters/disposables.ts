/** One owner of everything that must be closed again: the last thing that was opened is the first that is closed. */

export class Disposables {
  #closers: (() => void)[] = [];
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  /** How many things are open. */
  get size(): number {
    return this.#closers.length;
  }

  /** Own it. What comes too late, since the owner was closed while it was being opened, is closed at once. */
  add(close: () => void): void {
    if (this.#closed) run(close);
    else this.#closers.push(close);
  }

  /** A listener that ends with the owner. */
  listen<Type extends string>(target: EventTarget, type: Type, listener: (event: Event) => void, options: AddEventListenerOptions = {}): void {
    if (this.#closed) return;
    target.addEventListener(type, listener, options);
    this.add(() => target.removeEventListener(type, listener, options));
  }

  /** An owner within this one, which may be closed before it. */
  child(): Disposables {
    const child = new Disposables();
    const close = () => child.close();
    this.add(close);
    child.add(() => {
      this.#closers = this.#closers.filter((each) => each !== close);
    });
    return child;
  }

  /** Idempotent. What one thing throws does not keep the others open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const close of this.#closers.splice(0).reverse()) run(close);
  }
}

function run(close: () => void): void {
  try {
    close();
  } catch (error) {
    console.warn('closing', error);
  }
}
