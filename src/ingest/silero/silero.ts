// Silero's voice activity model: the weights of its ONNX file, computed by network.wasm. One of these hears any number of recordings
// in turn, since what it remembers of a recording is kept by whoever asks.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readTensors, type Tensor } from './onnx.ts';

const NETWORK_PATH = new URL('./network.wasm', import.meta.url);
/** The file holds two networks; this is the one for 16 kHz. */
const NAME_PREFIX = 'If_0_then_branch__Inline_0__';
/** Outputs whose weights lie side by side, for the network to compute together. */
const PANEL_OUTPUTS = 8;

// Node has it; its types are those of browsers.
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object) => { exports: Record<string, unknown> };
};

/** What assembly/network.ts exports, besides the places of what is in its memory. */
interface Network {
  memory: { buffer: ArrayBuffer };
  prepare(): void;
  measure(windows: number): void;
  hear(windows: number, gain: number): void;
}

/** What the model remembers of a recording. */
export type SileroMemory = Float32Array;

export class Silero {
  readonly #network: Network;
  readonly #windowBytes: number;
  readonly #windowsMax: number;
  readonly #samples: Uint8Array;
  readonly #levels: Float32Array;
  readonly #state: Float32Array;
  readonly #probabilities: Float32Array;

  constructor(modelPath: string) {
    const tensors = readTensors(readFileSync(modelPath));
    const tensor = (name: string): Tensor => {
      const found = tensors.get(NAME_PREFIX + name);
      assert(found, `the model has no ${name}`);
      return found;
    };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(NETWORK_PATH)));
    this.#network = exports as unknown as Network;
    const constant = (name: string) => (exports[name] as { value: number }).value;
    const floatsAt = (name: string, length: number) =>
      new Float32Array(this.#network.memory.buffer, constant(name), length);

    this.#windowBytes = constant('WINDOW_SAMPLES') * Int16Array.BYTES_PER_ELEMENT;
    this.#windowsMax = constant('WINDOWS_MAX');
    this.#samples = new Uint8Array(
      this.#network.memory.buffer,
      constant('SAMPLES'),
      this.#windowsMax * this.#windowBytes,
    );
    this.#state = floatsAt('STATE', constant('STATE_FLOATS'));
    this.#levels = floatsAt('LEVELS', this.#windowsMax);
    this.#probabilities = floatsAt('PROBABILITIES', this.#windowsMax);
    for (const [name, values] of Object.entries(weightsOf(tensor))) floatsAt(name, values.length).set(values);
    this.#network.prepare();
  }

  /** Of a recording that is about to begin. */
  remember(): SileroMemory {
    return new Float32Array(this.#state.length);
  }

  /**
   * Hears a second at most: windows of 512 samples of 16 bits. First their levels, 0–1, by which `gainOf` tells how they are to be
   * amplified; then how probable it is that there is a voice in each. Brings `memory` up to date.
   */
  hear(samples: Uint8Array, memory: SileroMemory, gainOf: (levels: Float32Array) => number) {
    const windows = samples.length / this.#windowBytes;
    assert(windows <= this.#windowsMax, 'more than can be heard at a time');
    this.#samples.set(samples);
    this.#network.measure(windows);
    const levels = this.#levels.slice(0, windows);
    this.#state.set(memory);
    this.#network.hear(windows, gainOf(levels));
    memory.set(this.#state);
    return { levels, probabilities: this.#probabilities.slice(0, windows) };
  }
}

/** By the names of their places in the network. */
function weightsOf(tensor: (name: string) => Tensor): Record<string, Float32Array> {
  const bias = (name: string) => tensor(`${name}.bias`).values;
  const layer = (name: string, taps?: [from: number, to: number]) => pack(tensor(name), taps);
  const hiddenBias = tensor('decoder.rnn.bias_hh').values;
  const transform = tensor('stft.forward_basis_buffer');
  return {
    // The first row of the transform is that of frequency 0: the window's shape alone.
    SHAPE: transform.values.subarray(0, transform.shape.at(-1)),
    FIRST_WEIGHTS: turned(tensor('encoder.0.reparam_conv.weight')),
    FIRST_BIAS: bias('encoder.0.reparam_conv'),
    SECOND_WEIGHTS: layer('encoder.1.reparam_conv.weight'),
    SECOND_BIAS: bias('encoder.1.reparam_conv'),
    // Where so few moments are left, the other taps meet nothing but padding.
    THIRD_WEIGHTS: layer('encoder.2.reparam_conv.weight', [1, 3]),
    THIRD_BIAS: bias('encoder.2.reparam_conv'),
    FOURTH_WEIGHTS: layer('encoder.3.reparam_conv.weight', [1, 2]),
    FOURTH_BIAS: bias('encoder.3.reparam_conv'),
    INPUT_GATE_WEIGHTS: layer('decoder.rnn.weight_ih'),
    HIDDEN_GATE_WEIGHTS: layer('decoder.rnn.weight_hh'),
    GATE_BIAS: tensor('decoder.rnn.bias_ih').values.map((value, index) => value + Number(hiddenBias[index])),
    OUTPUT_WEIGHTS: tensor('decoder.decoder.2.weight').values,
    OUTPUT_BIAS: bias('decoder.decoder.2'),
  };
}

/** For each of Winograd's points, how much there is of each of three taps. */
const POINTS = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
] as const;

/** The weights of a convolution for each of the points, one after the other. */
function turned({ shape: [outputs = 0, inputs = 0], values }: Tensor): Float32Array {
  const size = outputs * inputs;
  const planes = new Float32Array(POINTS.length * size);
  const plane = new Float32Array(size);
  for (const [point, [first, second, third]] of POINTS.entries()) {
    for (let index = 0; index < size; index += 1) {
      const tap = (at: number) => Number(values[3 * index + at]);
      plane[index] = first * tap(0) + second * tap(1) + third * tap(2);
    }
    planes.set(pack({ shape: [outputs, inputs], values: plane }), point * size);
  }
  return planes;
}

/** From [output][input][tap] to panels of eight outputs, each [tap][input][output]: the order in which they are needed. */
function pack({ shape, values }: Tensor, [from, to] = [0, shape[2] ?? 1]): Float32Array {
  const [outputs = 0, inputs = 0, taps = 1] = shape;
  const rows = (to - from) * inputs;
  const packed = new Float32Array(outputs * rows);
  for (let output = 0; output < outputs; output += 1) {
    const panel = Math.floor(output / PANEL_OUTPUTS) * PANEL_OUTPUTS * rows + (output % PANEL_OUTPUTS);
    for (let row = 0; row < rows; row += 1) {
      const tap = from + Math.floor(row / inputs);
      packed[panel + row * PANEL_OUTPUTS] = Number(values[(output * inputs + (row % inputs)) * taps + tap]);
    }
  }
  return packed;
}
