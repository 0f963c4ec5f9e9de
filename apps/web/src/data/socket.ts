import { PUBLIC_PATH } from './public-path';

export type SocketState = 'connecting' | 'open' | 'reconnecting';
export type EventListener = (key: string, message: unknown) => void;

const FIRST_RETRY_MS = 300;
const LONGEST_RETRY_MS = 10_000;

/**
 * The page's one WebSocket. Filters are counted, so each is consumed once however many parts of the page use it. Whenever the socket opens,
 * all of them are consumed and `onResync` tells the page to fetch what it may have missed.
 */
export class LiveSocket {
  private socket: WebSocket | null = null;
  private readonly listeners = new Map<string, Set<EventListener>>();
  private readonly resyncListeners = new Set<() => void>();
  private readonly stateListeners = new Set<() => void>();
  private retryMs = FIRST_RETRY_MS;
  private lastId = 0;
  state: SocketState = 'connecting';

  connect(): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}${PUBLIC_PATH}/ws`);
    this.socket = socket;
    socket.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      for (const filter of this.listeners.keys()) this.command('startConsuming', filter);
      this.setState('open');
      if (this.listeners.size > 0) this.resync();
    };
    socket.onmessage = (event) => this.receive(String(event.data));
    socket.onclose = () => {
      this.setState('reconnecting');
      setTimeout(() => this.connect(), this.retryMs * (0.7 + Math.random() * 0.6));
      this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    };
  }

  /**
   * Calls `listener` for events whose key matches `filter`; `*` stands for one segment.
   * @returns a function that unsubscribes
   */
  consume(filter: string, listener: EventListener): () => void {
    let set = this.listeners.get(filter);
    if (!set) {
      this.listeners.set(filter, (set = new Set()));
      this.command('startConsuming', filter);
    }
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set.size > 0 || this.listeners.get(filter) !== set) return;
      this.listeners.delete(filter);
      this.command('stopConsuming', filter);
    };
  }

  onResync(listener: () => void): () => void {
    this.resyncListeners.add(listener);
    return () => this.resyncListeners.delete(listener);
  }

  onState = (listener: () => void): (() => void) => {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  };

  private receive(text: string): void {
    const frame = JSON.parse(text) as { k?: string; m?: unknown };
    if (frame.k === undefined) return;
    if (frame.k === 'resync') return this.resync();
    for (const [filter, listeners] of this.listeners) {
      if (matches(filter, frame.k)) for (const listener of [...listeners]) listener(frame.k, frame.m);
    }
  }

  private resync(): void {
    for (const listener of this.resyncListeners) listener();
  }

  private command(cmd: 'startConsuming' | 'stopConsuming', path: string): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ cmd, path, _id: ++this.lastId }));
  }

  private setState(state: SocketState): void {
    this.state = state;
    for (const listener of this.stateListeners) listener();
  }
}

function matches(filter: string, key: string): boolean {
  const wanted = filter.split('/');
  const segments = key.split('/');
  return wanted.length === segments.length && wanted.every((segment, i) => segment === '*' || segment === segments[i]);
}

export const socket = new LiveSocket();
