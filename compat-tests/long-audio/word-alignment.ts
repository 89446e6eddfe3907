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

/** The numbers that people say as often as they write them, so that "press 1" is "press one". */
const NUMBERS: Record<string, string[]> = {
  en: 'zero one two three four five six seven eight nine ten eleven twelve'.split(' '),
  es: 'cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce'.split(' '),
  de: 'null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf'.split(' '),
  fr: 'zéro un deux trois quatre cinq six sept huit neuf dix onze douze'.split(' '),
};

/** The words of a text, without case, punctuation and accents, which not every known text has. */
export function wordsOf(text: string, language: string): string[] {
  return text
    .split(/[\s\-–—'’]+/)
    .map((word) => bare(/^\p{P}*\d+\p{P}*$/u.test(word) ? (NUMBERS[language]?.[Number(bare(word))] ?? word) : word))
    .filter((word) => word !== '');
}

function bare(word: string): string {
  return word
    .normalize('NFD')
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
