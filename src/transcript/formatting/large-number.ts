// How large numbers are written: `200,000`, `2.5 million`. Pure.

const LARGE_UNITS: [number, string][] = [
  [1e12, 'trillion'],
  [1e9, 'billion'],
  [1e6, 'million'],
];

/** Two words for what two words can say: `2.5 million`, but not `2,534,000`. */
export function inLargeUnits(digits: string): [string, string] | null {
  const value = Number(digits);
  const unit = LARGE_UNITS.find(([size]) => value >= size);
  if (!unit || value % (unit[0] / 10) !== 0) return null;
  return [String(value / unit[0]), unit[1]];
}

export function grouped(digits: string): string {
  const [whole = '', fraction] = digits.split('.');
  const groups = whole.replace(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}
