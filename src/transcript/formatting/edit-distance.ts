// How many letters must be inserted, deleted or changed to make one string of another. Pure.

const BLOCK_BITS = 32;

/**
 * For each position of `text`, the least distance between `pattern` and any piece of the text that ends with that character.
 * Myers' bit-parallel algorithm (1999) in blocks (Hyyrö 2003): it keeps the differences between neighbouring cells of a column
 * in the bits of a few integers, so that one step does the work of 32 cells.
 */
export function distancesByEnd(pattern: string, text: string): Uint16Array {
  const blockCount = Math.ceil(pattern.length / BLOCK_BITS);
  const places = placesByCharacter(pattern, blockCount);
  const nowhere = new Int32Array(blockCount);
  const rises = new Int32Array(blockCount).fill(-1);
  const falls = new Int32Array(blockCount);
  const distances = new Uint16Array(text.length);
  const bottom = 1 << ((pattern.length - 1) % BLOCK_BITS);
  let distance = pattern.length;
  for (let position = 0; position < text.length; position++) {
    const equals = places.get(text.charCodeAt(position)) ?? nowhere;
    // A piece may begin anywhere, so the row above the first is all zeros.
    let carried = 0;
    for (let block = 0; block < blockCount; block++) {
      const rise = rises[block] ?? 0;
      const fall = falls[block] ?? 0;
      const equal = equals[block] ?? 0;
      const vertical = equal | fall;
      const same = carried < 0 ? equal | 1 : equal;
      const horizontal = (((same & rise) + rise) ^ rise) | same;
      let up = fall | ~(horizontal | rise);
      let down = rise & horizontal;
      const last = block === blockCount - 1 ? bottom : 1 << (BLOCK_BITS - 1);
      const carry = up & last ? 1 : down & last ? -1 : 0;
      up = (up << 1) | (carried > 0 ? 1 : 0);
      down = (down << 1) | (carried < 0 ? 1 : 0);
      rises[block] = down | ~(vertical | up);
      falls[block] = up & vertical;
      carried = carry;
    }
    distance += carried;
    distances[position] = distance;
  }
  return distances;
}

/** For each length, the distance between `pattern` and the last so many characters of `text`. */
export function distancesByStart(pattern: string, text: string): Uint16Array {
  const distances = new Uint16Array(text.length + 1);
  let column = Uint16Array.from({ length: pattern.length + 1 }, (_, row) => row);
  distances[0] = pattern.length;
  for (let length = 1; length <= text.length; length++) {
    const next = new Uint16Array(pattern.length + 1);
    next[0] = length;
    const character = text[text.length - length];
    for (let row = 1; row <= pattern.length; row++) {
      const change = (column[row - 1] ?? 0) + (pattern[pattern.length - row] === character ? 0 : 1);
      next[row] = Math.min(change, (column[row] ?? 0) + 1, (next[row - 1] ?? 0) + 1);
    }
    column = next;
    distances[length] = column[pattern.length] ?? 0;
  }
  return distances;
}

/** Where in the pattern each character stands, a bit for each place. */
function placesByCharacter(pattern: string, blockCount: number): Map<number, Int32Array> {
  const places = new Map<number, Int32Array>();
  for (let position = 0; position < pattern.length; position++) {
    const code = pattern.charCodeAt(position);
    const bits = places.get(code) ?? new Int32Array(blockCount);
    const block = Math.floor(position / BLOCK_BITS);
    bits[block] = (bits[block] ?? 0) | (1 << (position % BLOCK_BITS));
    places.set(code, bits);
  }
  return places;
}
