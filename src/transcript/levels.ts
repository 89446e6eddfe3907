// How loud samples are. Pure.

/** Root-mean-square level, 0–1, of each stretch of so many bytes of 16-bit samples; what is left at the end is left out. */
export function levelsOf(bytes: Buffer, stretchBytes: number): number[] {
  const samples = new Int16Array(bytes.length >> 1);
  bytes.copy(Buffer.from(samples.buffer)); // they may begin at an odd address
  const stretch = stretchBytes / 2;
  return Array.from({ length: Math.floor(samples.length / stretch) }, (_, index) => {
    let sum = 0;
    for (let at = index * stretch; at < (index + 1) * stretch; at += 1) sum += Number(samples[at]) ** 2;
    return Math.sqrt(sum / stretch) / 32_768;
  });
}
