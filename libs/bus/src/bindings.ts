import type { Link, Unbind } from './link.js';

/** A subscription or registration that should exist on the wire as long as it is wanted. */
export interface Wish {
  isWanted(): boolean;
  bind(link: Link): Promise<Unbind>;
}

/**
 * Makes a link's subscriptions and registrations match the wishes, one step at a time per name: an unsubscribe that overtakes the subscribe
 * after it would end both.
 */
export class Bindings {
  private readonly steps = new Map<string, Promise<void>>();
  private readonly bound = new Map<string, Unbind>();

  constructor(
    private readonly link: Link,
    private readonly onRefused: (name: string, error: unknown) => void,
  ) {}

  /** Resolves when the link matches the wish, or the broker has refused it. */
  reconcile(name: string, wish: Wish): Promise<void> {
    const step = (this.steps.get(name) ?? Promise.resolve()).then(() => this.step(name, wish));
    this.steps.set(name, step);
    void step.finally(() => {
      if (this.steps.get(name) === step) this.steps.delete(name);
    });
    return step;
  }

  private async step(name: string, wish: Wish): Promise<void> {
    try {
      const unbind = this.bound.get(name);
      if (wish.isWanted() && !unbind) {
        this.bound.set(name, await wish.bind(this.link));
      } else if (!wish.isWanted() && unbind) {
        this.bound.delete(name);
        await unbind();
      }
    } catch (error) {
      this.onRefused(name, error);
    }
  }
}
