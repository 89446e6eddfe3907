// Numbers as Deepgram's wire has them: float32 in shortest form, a whole one with its `.0`. Strictly typed clients refuse
// an integer where they expect a float, and JSON.stringify cannot write one. Pure.

declare global {
  interface JSON {
    /** Part of ECMAScript 2026 and of Node since 22; not yet in TypeScript's library. */
    rawJSON(text: string): RawJson;
  }
}

/** A piece of JSON text that JSON.stringify copies as it is. */
export interface RawJson {
  readonly rawJSON: string;
}

/** Nine digits tell all float32 apart. */
const DIGITS_MAX = 9;

export function float32(value: number): RawJson {
  return JSON.rawJSON(writeFloat32(value));
}

export function writeFloat32(value: number): string {
  const single = Math.fround(value);
  // JSON has no other numbers than finite ones; a negative zero tells nobody anything.
  if (!Number.isFinite(single) || single === 0) return '0.0';
  let digits = 1;
  while (digits < DIGITS_MAX && Math.fround(Number(single.toPrecision(digits))) !== single) digits++;
  const text = String(Number(single.toPrecision(digits)));
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

export function seconds(milliseconds: number): RawJson {
  return float32(milliseconds / 1000);
}
