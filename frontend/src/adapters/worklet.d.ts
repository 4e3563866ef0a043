/** What an AudioWorkletGlobalScope has; TypeScript's libraries leave it out. */

declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new (options?: object) => AudioWorkletProcessor): void;

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
  process(inputs: Float32Array[][], outputs: Float32Array[][], parameters: Record<string, Float32Array>): boolean;
}

declare module '*?worker&url' {
  const url: string;
  export default url;
}
