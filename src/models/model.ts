// A model that is on disk and can be run.

export interface Model {
  /** Our name: `base`, `large-v3-turbo-q5_0`, or what follows `ggml-` in a file a user dropped in. */
  name: string;
  path: string;
  /** SHA-256 of the file. */
  digest: string;
  bytes: number;
  /** tiny 0, base 1, small 2, medium 3, large and turbo 4: its place in the queue. */
  rank: number;
  /** Device memory that one running engine needs: weights, buffers and the runtime's own. */
  memoryMb: number;
  /** False for models that understand English only: `.en` and distilled ones. */
  multilingual: boolean;
  /** Turbo, distilled and `.en` models cannot translate. */
  translates: boolean;
  /** False for two-layer distil models, whose timestamps the engine forces off. */
  timestamps: boolean;
}
