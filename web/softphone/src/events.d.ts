/** JsSIP's types lean on Node's `events`; this is the part of it that the page touches. */
declare module "events" {
  export class EventEmitter {
    on(type: string, listener: (...args: never[]) => void): this;
    removeAllListeners(type?: string): this;
  }
}

declare module "debug" {
  export type Debug = { enable(namespaces: string): void; disable(): void };
}
