// Reads the tensors of an ONNX file, as far as is needed to find weights by their names: constants, also those within branches.
// ONNX is protocol buffers; the numbers are those of onnx.proto's fields.
import assert from 'node:assert/strict';

const GRAPH_OF_MODEL = 7;
const NODE_OF_GRAPH = 1;
const NODE = { output: 2, attribute: 5 };
const ATTRIBUTE = { tensor: 5, graph: 6 };
const TENSOR = { dimension: 1, type: 2, bytes: 9 };
const FLOAT_TYPE = 1;

export interface Tensor {
  shape: number[];
  values: Float32Array;
}

/** The float tensors of a model by the names under which its graph knows them. Throws for bytes that are no ONNX. */
export function readTensors(model: Uint8Array): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { number, value } of readFields(model)) {
    if (number === GRAPH_OF_MODEL) collect(bytesOf(value), tensors);
  }
  return tensors;
}

function collect(graph: Uint8Array, tensors: Map<string, Tensor>): void {
  for (const { number, value } of readFields(graph)) {
    if (number === NODE_OF_GRAPH) collectFromNode(bytesOf(value), tensors);
  }
}

function collectFromNode(node: Uint8Array, tensors: Map<string, Tensor>): void {
  const fields = [...readFields(node)];
  const output = fields.find(({ number }) => number === NODE.output);
  for (const attribute of fields.filter(({ number }) => number === NODE.attribute)) {
    for (const { number, value } of readFields(bytesOf(attribute.value))) {
      if (number === ATTRIBUTE.graph) collect(bytesOf(value), tensors);
      const tensor = number === ATTRIBUTE.tensor ? readTensor(bytesOf(value)) : undefined;
      if (tensor && output) tensors.set(Buffer.from(bytesOf(output.value)).toString(), tensor);
    }
  }
}

/** Undefined for one that is not of floats. */
function readTensor(tensor: Uint8Array): Tensor | undefined {
  const shape: number[] = [];
  let type: number | undefined;
  let bytes = new Uint8Array();
  for (const { number, value } of readFields(tensor)) {
    if (number === TENSOR.dimension) shape.push(...(typeof value === 'number' ? [value] : readNumbers(value)));
    if (number === TENSOR.type && typeof value === 'number') type = value;
    if (number === TENSOR.bytes) bytes = Uint8Array.from(bytesOf(value)); // a copy, since floats are read where four divides
  }
  return type === FLOAT_TYPE ? { shape, values: new Float32Array(bytes.buffer) } : undefined;
}

interface Field {
  number: number;
  value: number | Uint8Array;
}

const WIRE = { number: 0, eight: 1, bytes: 2, four: 5 };

function* readFields(message: Uint8Array): Generator<Field> {
  for (let at = 0; at < message.length; ) {
    const [tag, afterTag] = readNumber(message, at);
    const wire = tag & 7;
    const [length, start] =
      wire === WIRE.bytes
        ? readNumber(message, afterTag)
        : [wire === WIRE.eight ? 8 : wire === WIRE.four ? 4 : 0, afterTag];
    if (wire === WIRE.number) {
      const [value, end] = readNumber(message, start);
      yield { number: tag >>> 3, value };
      at = end;
    } else {
      at = start + length;
      assert(length > 0 || wire === WIRE.bytes, 'not a field of a protocol buffer');
      assert(at <= message.length, 'a field goes on beyond its message');
      yield { number: tag >>> 3, value: message.subarray(start, at) };
    }
  }
}

/** Seven bits a byte, the least first. Those beyond 2^53 are of no use to us, and come out inexact. */
function readNumber(message: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let index = at; index < message.length; index += 1) {
    const byte = Number(message[index]);
    value += (byte & 127) * 2 ** (7 * (index - at));
    if (byte < 128) return [value, index + 1];
  }
  throw new assert.AssertionError({ message: 'a number goes on beyond its message' });
}

function* readNumbers(packed: Uint8Array): Generator<number> {
  for (let at = 0; at < packed.length; ) {
    const [value, end] = readNumber(packed, at);
    yield value;
    at = end;
  }
}

function bytesOf(value: number | Uint8Array): Uint8Array {
  assert(typeof value !== 'number', 'a number where bytes belong');
  return value;
}
