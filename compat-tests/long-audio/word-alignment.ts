// Compares two readings of the same speech word by word, as word error rates are counted: the fewest substitutions,
// insertions and deletions that turn one into the other.

export interface TimedWord {
  text: string;
  startSeconds: number;
  endSeconds: number;
}

/** A pair of positions; one of them is undefined where the other side has a word more. */
export interface Pair {
  left: number | undefined;
  right: number | undefined;
  isEqual: boolean;
}

/** Without case and punctuation. */
export function wordsOf(text: string): string[] {
  return text
    .normalize('NFC')
    .toLowerCase()
    .split(/[\s-]+/)
    .map(bare)
    .filter((word) => word !== '');
}

export function bare(word: string): string {
  return word
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}

export function align(left: string[], right: string[]): Pair[] {
  const width = right.length + 1;
  const costs = new Uint32Array((left.length + 1) * width);
  const at = (row: number, column: number) => costs[row * width + column] ?? 0;
  for (let row = left.length; row >= 0; row -= 1) {
    for (let column = right.length; column >= 0; column -= 1) {
      if (row === left.length || column === right.length) {
        costs[row * width + column] = left.length - row + (right.length - column);
        continue;
      }
      const changed = at(row + 1, column + 1) + (left[row] === right[column] ? 0 : 1);
      costs[row * width + column] = Math.min(changed, 1 + at(row + 1, column), 1 + at(row, column + 1));
    }
  }
  const pairs: Pair[] = [];
  let row = 0;
  let column = 0;
  while (row < left.length || column < right.length) {
    const isEqual = left[row] === right[column];
    const isBoth = row < left.length && column < right.length;
    if (isBoth && at(row, column) === at(row + 1, column + 1) + (isEqual ? 0 : 1)) {
      pairs.push({ left: row++, right: column++, isEqual });
    } else if (row < left.length && at(row, column) === 1 + at(row + 1, column)) {
      pairs.push({ left: row++, right: undefined, isEqual: false });
    } else pairs.push({ left: undefined, right: column++, isEqual: false });
  }
  return pairs;
}

/** In percent of the words that were said. */
export function wordErrorRate(said: string[], heard: string[]): number {
  return (100 * align(said, heard).filter(({ isEqual }) => !isEqual).length) / said.length;
}
