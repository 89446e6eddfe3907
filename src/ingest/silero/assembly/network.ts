// Silero's voice activity network (16 kHz, of version 5 and 6) in AssemblyScript: compiled to ../network.wasm by compile.mjs, loaded by ../silero.ts.
// Nothing but arithmetic on fixed places in memory. It is six times as fast as a general runtime, which computes one window at a
// time: here all but the recurrent layer computes a block of them, four by four, with the weights read once for four; a fast
// Fourier transform stands for a matrix of sines, and the largest convolution is computed by Winograd's way.
//
// samples -> magnitudes of 4 overlapping spectra a window -> 4 convolutions over time -> a recurrent layer -> a probability

/** So many windows of 512 samples are heard at a time; 4 divides them. */
export const WINDOWS_MAX: i32 = 32;
export const WINDOW_SAMPLES: i32 = 512;
/** The network hears each window behind so much of what was before it. */
const CONTEXT_SAMPLES: i32 = 64;
/**
 * Kept of what was before a block: a window's probability is that of the 512 samples which end 64 into it, one window late but
 * for those. The lengths of pauses and of what surrounds speech (../../cut.ts) were measured so.
 */
const KEPT_SAMPLES: i32 = 512;

const FFT: i32 = 256;
const HALF: i32 = FFT / 2;
const HOP: i32 = 128;
const BINS: i32 = HALF + 1;
/** Filled up to whole vectors. */
const BINS_ROW: i32 = 132;
/** Moments of a window: its spectra, then what the second and third convolution leave of them. */
const MOMENTS: i32 = 4;
const WIDE: i32 = 128;
const NARROW: i32 = 64;
const TAPS: i32 = 3;
/** Of Winograd's: four moments by three taps in so many products, not twelve. */
const POINTS: i32 = 6;
const GATES: i32 = 4 * WIDE;

// A moment before a window's first and one after its last stay 0: that is the second convolution's padding.
const FIRST_ROW: i32 = (MOMENTS + 2) * WIDE;
const SECOND_ROW: i32 = (MOMENTS / 2) * NARROW;

const FLOAT: i32 = 4;
const VECTOR: i32 = 16;

// Weights. Those of a layer lie in panels of eight outputs, each [tap][input][output]: one stream for the inner loop to read.
/** By which a stretch of the signal is multiplied before it is transformed. */
export const SHAPE: usize = memory.data(FFT * FLOAT, VECTOR);
export const FIRST_WEIGHTS: usize = memory.data(POINTS * BINS * WIDE * FLOAT, VECTOR);
export const FIRST_BIAS: usize = memory.data(WIDE * FLOAT, VECTOR);
export const SECOND_WEIGHTS: usize = memory.data(TAPS * WIDE * NARROW * FLOAT, VECTOR);
export const SECOND_BIAS: usize = memory.data(NARROW * FLOAT, VECTOR);
export const THIRD_WEIGHTS: usize = memory.data(2 * NARROW * NARROW * FLOAT, VECTOR);
export const THIRD_BIAS: usize = memory.data(NARROW * FLOAT, VECTOR);
export const FOURTH_WEIGHTS: usize = memory.data(NARROW * WIDE * FLOAT, VECTOR);
export const FOURTH_BIAS: usize = memory.data(WIDE * FLOAT, VECTOR);
export const INPUT_GATE_WEIGHTS: usize = memory.data(WIDE * GATES * FLOAT, VECTOR);
export const HIDDEN_GATE_WEIGHTS: usize = memory.data(WIDE * GATES * FLOAT, VECTOR);
export const GATE_BIAS: usize = memory.data(GATES * FLOAT, VECTOR);
export const OUTPUT_WEIGHTS: usize = memory.data(WIDE * FLOAT, VECTOR);
export const OUTPUT_BIAS: usize = memory.data(FLOAT, VECTOR);

// What goes in and comes out. The state is a recording's: hidden, cell, the samples that were kept.
export const SAMPLES: usize = memory.data(WINDOWS_MAX * WINDOW_SAMPLES * 2, VECTOR);
export const STATE_FLOATS: i32 = 2 * WIDE + KEPT_SAMPLES;
export const STATE: usize = memory.data(STATE_FLOATS * FLOAT, VECTOR);
export const LEVELS: usize = memory.data(WINDOWS_MAX * FLOAT, VECTOR);
export const PROBABILITIES: usize = memory.data(WINDOWS_MAX * FLOAT, VECTOR);

// Between the layers.
const signal: usize = memory.data((KEPT_SAMPLES + WINDOWS_MAX * WINDOW_SAMPLES) * FLOAT, VECTOR);
const lastSpectrum: usize = memory.data(FFT * FLOAT, VECTOR);
const real: usize = memory.data(HALF * VECTOR, VECTOR);
const imaginary: usize = memory.data(HALF * VECTOR, VECTOR);
const cosines: usize = memory.data(FFT * FLOAT, VECTOR);
const sines: usize = memory.data(FFT * FLOAT, VECTOR);
const spectra: usize = memory.data(POINTS * WINDOWS_MAX * BINS_ROW * FLOAT, VECTOR);
const products: usize = memory.data(POINTS * WINDOWS_MAX * WIDE * FLOAT, VECTOR);
const noBias: usize = memory.data(WIDE * FLOAT, VECTOR);
const first: usize = memory.data(WINDOWS_MAX * FIRST_ROW * FLOAT, VECTOR);
const second: usize = memory.data(WINDOWS_MAX * SECOND_ROW * FLOAT, VECTOR);
const third: usize = memory.data(WINDOWS_MAX * NARROW * FLOAT, VECTOR);
const fourth: usize = memory.data(WINDOWS_MAX * WIDE * FLOAT, VECTOR);
const gates: usize = memory.data(WINDOWS_MAX * GATES * FLOAT, VECTOR);

/** The root-mean-square level, 0–1, of each of the windows in SAMPLES. */
export function measure(windows: i32): void {
  for (let window = 0; window < windows; window += 1) {
    const start = SAMPLES + window * WINDOW_SAMPLES * 2;
    let sums = f32x4.splat(0);
    for (let place = start; place < start + WINDOW_SAMPLES * 2; place += VECTOR) {
      const samples = v128.load(place);
      // Two squares of the least sample there is are one more than a signed integer holds.
      sums = f32x4.add(sums, f32x4.convert_i32x4_u(i32x4.dot_i16x8_s(samples, samples)));
    }
    store<f32>(LEVELS + window * FLOAT, Mathf.sqrt(total(sums) / <f32>WINDOW_SAMPLES) / 32768);
  }
}

/** The probability of voice in each of the windows in SAMPLES, amplified by `gain`; at most WINDOWS_MAX of them. */
export function hear(windows: i32, gain: f32): void {
  amplify(windows, gain);
  for (let window = 0; window < windows; window += 1) transform(window);
  memory.copy(STATE + 2 * WIDE * FLOAT, signal + windows * WINDOW_SAMPLES * FLOAT, KEPT_SAMPLES * FLOAT);

  // Rows that are computed to fill up a four are of what was there before; nobody reads them.
  for (let point = 0; point < POINTS; point += 1) {
    const weights = FIRST_WEIGHTS + point * BINS * WIDE * FLOAT;
    for (let window = 0; window < windows; window += 4) {
      const row = point * WINDOWS_MAX + window;
      const x = spectra + row * BINS_ROW * FLOAT;
      const stride = BINS_ROW * FLOAT;
      fourRows(x, stride, x + 2 * stride, weights, noBias, BINS, WIDE, products + row * WIDE * FLOAT, -Infinity);
    }
  }
  for (let window = 0; window < windows; window += 1) gather(window);
  for (let window = 0; window < windows; window += 2) {
    const x = first + window * FIRST_ROW * FLOAT;
    const y = second + window * SECOND_ROW * FLOAT;
    fourRows(x, 2 * WIDE * FLOAT, x + FIRST_ROW * FLOAT, SECOND_WEIGHTS, SECOND_BIAS, TAPS * WIDE, NARROW, y, 0);
  }
  for (let window = 0; window < windows; window += 4) {
    // Of the third convolution's taps the first meets padding only; of the fourth's the second alone meets something else.
    const x = second + window * SECOND_ROW * FLOAT;
    const y = third + window * NARROW * FLOAT;
    const z = fourth + window * WIDE * FLOAT;
    const stride = SECOND_ROW * FLOAT;
    fourRows(x, stride, x + 2 * stride, THIRD_WEIGHTS, THIRD_BIAS, 2 * NARROW, NARROW, y, 0);
    fourRows(y, NARROW * FLOAT, y + 2 * NARROW * FLOAT, FOURTH_WEIGHTS, FOURTH_BIAS, NARROW, WIDE, z, 0);
    fourRows(
      z,
      WIDE * FLOAT,
      z + 2 * WIDE * FLOAT,
      INPUT_GATE_WEIGHTS,
      GATE_BIAS,
      WIDE,
      GATES,
      gates + window * GATES * FLOAT,
      -Infinity,
    );
  }
  for (let window = 0; window < windows; window += 1) {
    remember(gates + window * GATES * FLOAT);
    store<f32>(PROBABILITIES + window * FLOAT, probability());
  }
}

/** Integers to samples within ±1, behind those that were kept. */
function amplify(windows: i32, gain: f32): void {
  memory.copy(signal, STATE + 2 * WIDE * FLOAT, KEPT_SAMPLES * FLOAT);
  const factor = f32x4.splat(gain / 32768);
  const least = f32x4.splat(-1);
  const most = f32x4.splat(1);
  for (let at = 0; at < windows * WINDOW_SAMPLES; at += 4) {
    const integers = v128.load_ext<i16>(SAMPLES + at * 2);
    const floats = f32x4.mul(f32x4.convert_i32x4_s(integers), factor);
    v128.store(signal + (KEPT_SAMPLES + at) * FLOAT, f32x4.min(f32x4.max(floats, least), most));
  }
}

/** To be called once. */
export function prepare(): void {
  for (let at = 0; at < FFT; at += 1) {
    const angle = (2 * Math.PI * at) / FFT;
    store<f32>(cosines + at * FLOAT, <f32>Math.cos(angle));
    store<f32>(sines + at * FLOAT, <f32>Math.sin(angle));
  }
}

/** A window's four spectra, each in a lane of its own until its magnitudes are there, turned as the first convolution needs them. */
function transform(window: i32): void {
  const start = signal + window * WINDOW_SAMPLES * FLOAT;
  // The last one reaches beyond the window's end: there the signal is mirrored.
  const known = 2 * HOP - CONTEXT_SAMPLES;
  memory.copy(lastSpectrum, start + 3 * HOP * FLOAT, known * FLOAT);
  for (let at = 0; at < CONTEXT_SAMPLES; at += 1) {
    store<f32>(lastSpectrum + (known + at) * FLOAT, load<f32>(lastSpectrum + (known - 2 - at) * FLOAT));
  }
  // Samples are real: a half of them stands for the imaginary parts of the other, and `magnitudes` tells the two apart.
  for (let at = 0; at < HALF; at += 1) {
    const place = reversed(at) * VECTOR;
    v128.store(real + place, shaped(start, 2 * at));
    v128.store(imaginary + place, shaped(start, 2 * at + 1));
  }
  for (let size = 1; size < HALF; size *= 2) butterflies(size);
  for (let bin = 0; bin < BINS_ROW; bin += 4) {
    turn(
      spectra + (window * BINS_ROW + bin) * FLOAT,
      magnitudes(bin),
      magnitudes(bin + 1),
      magnitudes(bin + 2),
      magnitudes(bin + 3),
    );
  }
}

/** The same sample of each of the four stretches. */
function shaped(start: usize, at: i32): v128 {
  const sample = start + at * FLOAT;
  let samples = v128.load32_zero(sample);
  samples = v128.load_lane<f32>(sample, samples, 1, HOP * FLOAT);
  samples = v128.load_lane<f32>(sample, samples, 2, 2 * HOP * FLOAT);
  samples = v128.load_lane<f32>(lastSpectrum + at * FLOAT, samples, 3);
  return f32x4.mul(samples, v128.load_splat<f32>(SHAPE + at * FLOAT));
}

/** The seven bits of an index in reverse. */
function reversed(index: i32): i32 {
  let bits = ((index & 0x55) << 1) | ((index >> 1) & 0x55);
  bits = ((bits & 0x33) << 2) | ((bits >> 2) & 0x33);
  return (((bits & 0x0f) << 4) | (bits >> 4)) >> 1;
}

function magnitudes(bin: i32): v128 {
  const place = (bin & (HALF - 1)) * VECTOR;
  const mirror = ((HALF - bin) & (HALF - 1)) * VECTOR;
  const re = v128.load(real + place);
  const im = v128.load(imaginary + place);
  const mirrorRe = v128.load(real + mirror);
  const mirrorIm = v128.load(imaginary + mirror);
  const cosine = v128.load_splat<f32>(cosines + bin * FLOAT);
  const sine = v128.load_splat<f32>(sines + bin * FLOAT);
  // Of the samples at even places, and of those at odd ones, twice as large as they are.
  const evenRe = f32x4.add(re, mirrorRe);
  const evenIm = f32x4.sub(im, mirrorIm);
  const oddRe = f32x4.add(im, mirrorIm);
  const oddIm = f32x4.sub(mirrorRe, re);
  const sumRe = f32x4.add(evenRe, f32x4.add(f32x4.mul(oddRe, cosine), f32x4.mul(oddIm, sine)));
  const sumIm = f32x4.add(evenIm, f32x4.sub(f32x4.mul(oddIm, cosine), f32x4.mul(oddRe, sine)));
  const squares = f32x4.add(f32x4.mul(sumRe, sumRe), f32x4.mul(sumIm, sumIm));
  return f32x4.mul(f32x4.sqrt(squares), f32x4.splat(0.5));
}

/**
 * Winograd's input transform, for four moments by three taps, of four bins; the moments are their lanes. `gather` is what undoes it;
 * the weights were turned to match (../silero.ts).
 */
function turn(place: usize, a: v128, b: v128, c: v128, d: v128): void {
  const abLow = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cdLow = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  const first = v128.shuffle<f32>(abLow, cdLow, 0, 1, 4, 5);
  const second = v128.shuffle<f32>(abLow, cdLow, 2, 3, 6, 7);
  const third = v128.shuffle<f32>(abHigh, cdHigh, 0, 1, 4, 5);
  const fourth = v128.shuffle<f32>(abHigh, cdHigh, 2, 3, 6, 7);
  const two = f32x4.splat(2);
  const four = f32x4.splat(4);
  const five = f32x4.splat(5);
  const rise = f32x4.mul(two, f32x4.sub(third, first));
  const rest = f32x4.sub(fourth, second);
  const sum = f32x4.mul(four, f32x4.add(first, second));
  const difference = f32x4.mul(four, f32x4.sub(first, second));
  const plane = WINDOWS_MAX * BINS_ROW * FLOAT;
  v128.store(place, f32x4.sub(fourth, f32x4.mul(five, second)));
  v128.store(place + plane, f32x4.sub(f32x4.add(third, fourth), sum));
  v128.store(place + 2 * plane, f32x4.add(f32x4.sub(fourth, third), difference));
  v128.store(place + 3 * plane, f32x4.add(rest, rise));
  v128.store(place + 4 * plane, f32x4.sub(rest, rise));
  v128.store(place + 5 * plane, f32x4.sub(f32x4.mul(four, first), f32x4.mul(five, third)));
}

/** Winograd's output transform: a window's six products to what the first convolution makes of its four moments. */
function gather(window: i32): void {
  const plane = WINDOWS_MAX * WIDE * FLOAT;
  const zero = f32x4.splat(0);
  for (let at = 0; at < WIDE * FLOAT; at += VECTOR) {
    const product = products + window * WIDE * FLOAT + at;
    const bias = v128.load(FIRST_BIAS + at);
    const a = v128.load(product + plane);
    const b = v128.load(product + 2 * plane);
    const c = v128.load(product + 3 * plane);
    const d = v128.load(product + 4 * plane);
    const nearSum = f32x4.add(bias, f32x4.add(a, b));
    const nearDifference = f32x4.add(bias, f32x4.sub(a, b));
    const farSum = f32x4.add(c, d);
    const farDifference = f32x4.sub(c, d);
    const place = first + (window * FIRST_ROW + WIDE) * FLOAT + at;
    const one = f32x4.add(f32x4.add(v128.load(product), nearSum), farSum);
    const two = f32x4.add(nearDifference, f32x4.mul(f32x4.splat(2), farDifference));
    const three = f32x4.add(nearSum, f32x4.mul(f32x4.splat(4), farSum));
    const four = f32x4.add(
      f32x4.add(nearDifference, v128.load(product + 5 * plane)),
      f32x4.mul(f32x4.splat(8), farDifference),
    );
    v128.store(place, f32x4.max(one, zero));
    v128.store(place, f32x4.max(two, zero), WIDE * FLOAT);
    v128.store(place, f32x4.max(three, zero), 2 * WIDE * FLOAT);
    v128.store(place, f32x4.max(four, zero), 3 * WIDE * FLOAT);
  }
}

/** One stage of the fast Fourier transform: pairs of spectra of `size` become one of twice the size. */
function butterflies(size: i32): void {
  const half = size * VECTOR;
  for (let at = 0; at < size; at += 1) {
    const angle = at * (HALF / size) * FLOAT;
    const cosine = v128.load_splat<f32>(cosines + angle);
    const sine = v128.load_splat<f32>(sines + angle);
    for (let place = at * VECTOR; place < HALF * VECTOR; place += 2 * half) {
      const re = v128.load(real + place + half);
      const im = v128.load(imaginary + place + half);
      const turnedRe = f32x4.add(f32x4.mul(re, cosine), f32x4.mul(im, sine));
      const turnedIm = f32x4.sub(f32x4.mul(im, cosine), f32x4.mul(re, sine));
      const otherRe = v128.load(real + place);
      const otherIm = v128.load(imaginary + place);
      v128.store(real + place, f32x4.add(otherRe, turnedRe));
      v128.store(imaginary + place, f32x4.add(otherIm, turnedIm));
      v128.store(real + place + half, f32x4.sub(otherRe, turnedRe));
      v128.store(imaginary + place + half, f32x4.sub(otherIm, turnedIm));
    }
  }
}

/**
 * Four rows of a layer: each of `outputs` is its bias and the weighted sum of `inputs`, or `least` if that is less. The rows' inputs begin
 * at x0, `stride` behind it, x2, and `stride` behind that; their results lie one behind the other.
 */
function fourRows(
  x0: usize,
  stride: usize,
  x2: usize,
  weights: usize,
  bias: usize,
  inputs: i32,
  outputs: i32,
  y: usize,
  least: f32,
): void {
  const floor = f32x4.splat(least);
  const width: usize = outputs * FLOAT;
  const end = x0 + inputs * FLOAT;
  const further = x2 - x0;
  let weight = weights;
  for (let output: usize = 0; output < width; output += 2 * VECTOR) {
    let a0 = v128.load(bias + output);
    let b0 = v128.load(bias + output, VECTOR);
    let a1 = a0;
    let b1 = b0;
    let a2 = a0;
    let b2 = b0;
    let a3 = a0;
    let b3 = b0;
    for (let x = x0; x < end; x += FLOAT) {
      const a = v128.load(weight);
      const b = v128.load(weight, VECTOR);
      const in0 = v128.load_splat<f32>(x);
      a0 = f32x4.relaxed_madd(in0, a, a0);
      b0 = f32x4.relaxed_madd(in0, b, b0);
      const in1 = v128.load_splat<f32>(x + stride);
      a1 = f32x4.relaxed_madd(in1, a, a1);
      b1 = f32x4.relaxed_madd(in1, b, b1);
      const in2 = v128.load_splat<f32>(x + further);
      a2 = f32x4.relaxed_madd(in2, a, a2);
      b2 = f32x4.relaxed_madd(in2, b, b2);
      const in3 = v128.load_splat<f32>(x + further + stride);
      a3 = f32x4.relaxed_madd(in3, a, a3);
      b3 = f32x4.relaxed_madd(in3, b, b3);
      weight += 2 * VECTOR;
    }
    storePair(y + output, a0, b0, floor);
    storePair(y + width + output, a1, b1, floor);
    storePair(y + 2 * width + output, a2, b2, floor);
    storePair(y + 3 * width + output, a3, b3, floor);
  }
}

function storePair(place: usize, a: v128, b: v128, floor: v128): void {
  v128.store(place, f32x4.max(a, floor));
  v128.store(place, f32x4.max(b, floor), VECTOR);
}

/** One step of the recurrent layer: its gates (input, forget, cell, output) are open by what was heard and by what it remembers. */
function remember(open: usize): void {
  const panel: usize = WIDE * 2 * VECTOR;
  let weight = HIDDEN_GATE_WEIGHTS;
  for (let sum = open; sum < open + GATES * FLOAT; sum += 8 * VECTOR) {
    let s0 = v128.load(sum);
    let s1 = v128.load(sum, VECTOR);
    let s2 = v128.load(sum, 2 * VECTOR);
    let s3 = v128.load(sum, 3 * VECTOR);
    let s4 = v128.load(sum, 4 * VECTOR);
    let s5 = v128.load(sum, 5 * VECTOR);
    let s6 = v128.load(sum, 6 * VECTOR);
    let s7 = v128.load(sum, 7 * VECTOR);
    for (let hidden = STATE; hidden < STATE + WIDE * FLOAT; hidden += FLOAT) {
      const value = v128.load_splat<f32>(hidden);
      s0 = f32x4.relaxed_madd(value, v128.load(weight), s0);
      s1 = f32x4.relaxed_madd(value, v128.load(weight, VECTOR), s1);
      s2 = f32x4.relaxed_madd(value, v128.load(weight, panel), s2);
      s3 = f32x4.relaxed_madd(value, v128.load(weight, panel + VECTOR), s3);
      s4 = f32x4.relaxed_madd(value, v128.load(weight, 2 * panel), s4);
      s5 = f32x4.relaxed_madd(value, v128.load(weight, 2 * panel + VECTOR), s5);
      s6 = f32x4.relaxed_madd(value, v128.load(weight, 3 * panel), s6);
      s7 = f32x4.relaxed_madd(value, v128.load(weight, 3 * panel + VECTOR), s7);
      weight += 2 * VECTOR;
    }
    weight += 3 * panel;
    v128.store(sum, s0);
    v128.store(sum, s1, VECTOR);
    v128.store(sum, s2, 2 * VECTOR);
    v128.store(sum, s3, 3 * VECTOR);
    v128.store(sum, s4, 4 * VECTOR);
    v128.store(sum, s5, 5 * VECTOR);
    v128.store(sum, s6, 6 * VECTOR);
    v128.store(sum, s7, 7 * VECTOR);
  }
  for (let at = 0; at < WIDE * FLOAT; at += VECTOR) {
    const cell = STATE + WIDE * FLOAT + at;
    const entering = f32x4.mul(sigmoid(v128.load(open + at)), tanh(v128.load(open + 2 * WIDE * FLOAT + at)));
    const kept = f32x4.mul(sigmoid(v128.load(open + WIDE * FLOAT + at)), v128.load(cell));
    const known = f32x4.add(kept, entering);
    v128.store(cell, known);
    v128.store(STATE + at, f32x4.mul(sigmoid(v128.load(open + 3 * WIDE * FLOAT + at)), tanh(known)));
  }
}

function probability(): f32 {
  let sums = f32x4.splat(0);
  for (let at = 0; at < WIDE * FLOAT; at += VECTOR) {
    const positive = f32x4.max(v128.load(STATE + at), f32x4.splat(0));
    sums = f32x4.relaxed_madd(positive, v128.load(OUTPUT_WEIGHTS + at), sums);
  }
  return f32x4.extract_lane(sigmoid(f32x4.splat(total(sums) + load<f32>(OUTPUT_BIAS))), 0);
}

function total(sums: v128): f32 {
  const pairs = f32x4.add(sums, v128.shuffle<f32>(sums, sums, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

function tanh(x: v128): v128 {
  const two = f32x4.splat(2);
  return f32x4.sub(f32x4.mul(two, sigmoid(f32x4.mul(two, x))), f32x4.splat(1));
}

/** e to the x as a power of two times a polynomial over what is left, within ±ln(2)/2. */
function exp(x: v128): v128 {
  const within = f32x4.min(f32x4.max(x, f32x4.splat(-87)), f32x4.splat(88));
  const power = f32x4.nearest(f32x4.mul(within, f32x4.splat(<f32>Math.LOG2E)));
  // ln(2) in two parts, or the difference would lose the last digits.
  const rest = f32x4.sub(
    f32x4.sub(within, f32x4.mul(power, f32x4.splat(0.693359375))),
    f32x4.mul(power, f32x4.splat(-0.00021219444)),
  );
  let sum = f32x4.splat(1 / 720);
  sum = f32x4.add(f32x4.mul(sum, rest), f32x4.splat(1 / 120));
  sum = f32x4.add(f32x4.mul(sum, rest), f32x4.splat(1 / 24));
  sum = f32x4.add(f32x4.mul(sum, rest), f32x4.splat(1 / 6));
  sum = f32x4.add(f32x4.mul(sum, rest), f32x4.splat(0.5));
  sum = f32x4.add(f32x4.mul(sum, rest), f32x4.splat(1));
  sum = f32x4.add(f32x4.mul(sum, rest), f32x4.splat(1));
  const exponent = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(power), i32x4.splat(127)), 23);
  return f32x4.mul(sum, exponent);
}
