import { expect, test, vi } from 'vitest';
import { Disposables } from './disposables.ts';

test('closes in reverse order, once, whatever one of them throws', () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const order: number[] = [];
  const owner = new Disposables();
  owner.add(() => order.push(1));
  owner.add(() => {
    throw new Error('stuck');
  });
  owner.add(() => order.push(3));
  owner.close();
  owner.close();
  expect(order).toEqual([3, 1]);
  expect(owner.size).toBe(0);
});

test('what comes too late is closed at once', () => {
  const owner = new Disposables();
  owner.close();
  const close = vi.fn();
  owner.add(close);
  expect(close).toHaveBeenCalledOnce();
});

test('listeners end with it', () => {
  const owner = new Disposables();
  const target = new EventTarget();
  const heard = vi.fn();
  owner.listen(target, 'x', heard);
  target.dispatchEvent(new Event('x'));
  owner.close();
  target.dispatchEvent(new Event('x'));
  owner.listen(target, 'x', heard);
  target.dispatchEvent(new Event('x'));
  expect(heard).toHaveBeenCalledOnce();
});

test('a child closes alone or with its owner, and leaves nothing behind', () => {
  const owner = new Disposables();
  const close = vi.fn();
  const child = owner.child();
  child.add(close);
  child.close();
  expect(close).toHaveBeenCalledOnce();
  expect(owner.size).toBe(0);
  const other = owner.child();
  other.add(close);
  owner.close();
  expect(close).toHaveBeenCalledTimes(2);
  expect(other.closed).toBe(true);
});
