// What setup says: one line per step, a progress bar on a terminal, a line every tenth elsewhere.
const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const SPINNER_MS = 1_000;
/** Without a terminal and without a known total: a line every so many bytes. */
const LINE_BYTES = 16 * 1024 ** 2;

/** Ends setup with one sentence that says what to do. */
export class SetupError extends Error {}

/**
 * @typedef {{ fraction?: number | undefined, detail?: string, receivedBytes?: number }} Step
 * @typedef {{ update(step: Step): void, end(): void }} Bar
 * @typedef {{ done(text: string): void, note(text: string): void, warn(text: string): void, fail(text: string): void, bar(label: string): Bar }} Terminal
 */

/**
 * @param {NodeJS.WriteStream} stream
 * @returns {Terminal}
 */
export function createTerminal(stream) {
  const isTerminal = stream.isTTY === true;
  /** @param {number} code @param {string} text */
  const colour = (code, text) => (isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text);
  /** @param {string} text */
  const line = (text) => stream.write(`${text}\n`);
  return {
    done: (text) => line(`${colour(32, '✓')} ${text}`),
    note: (text) => line(`… ${text}`),
    warn: (text) => line(colour(33, `! ${text}`)),
    fail: (text) => line(colour(31, `✗ ${text}`)),
    bar: (label) => (isTerminal ? createBar(stream, label) : createLines(line, label)),
  };
}

/**
 * @param {NodeJS.WriteStream} stream
 * @param {string} label
 * @returns {Bar}
 */
function createBar(stream, label) {
  const startedAtMs = performance.now();
  let drawnAtMs = 0;
  /** @type {Step} */
  let last = {};
  const draw = () => {
    drawnAtMs = performance.now();
    const { fraction, detail = '' } = last;
    const seconds = `${Math.round((drawnAtMs - startedAtMs) / 1000)} s`;
    const filled = Math.round(Math.min(fraction ?? 0, 1) * BAR_WIDTH);
    const bar =
      fraction === undefined ? '' : `[${'█'.repeat(filled)}${'·'.repeat(BAR_WIDTH - filled)}] ${percent(fraction)}  `;
    const text = `… ${label}  ${bar}${detail}${detail && '  '}${seconds}`;
    stream.write(`\r\x1b[2K${text.slice(0, (stream.columns || 80) - 1)}`);
  };
  const spinner = setInterval(draw, SPINNER_MS);
  draw();
  return {
    update(step) {
      last = step;
      if (performance.now() - drawnAtMs >= REDRAW_MS) draw();
    },
    end() {
      clearInterval(spinner);
      stream.write('\r\x1b[2K');
    },
  };
}

/**
 * @param {(text: string) => void} line
 * @param {string} label
 * @returns {Bar}
 */
function createLines(line, label) {
  let tenthsSaid = 0;
  let bytesSaid = 0;
  line(`… ${label}`);
  return {
    update({ fraction, detail = '', receivedBytes = 0 }) {
      const tenths = Math.floor((fraction ?? 0) * 10);
      if (fraction === undefined ? receivedBytes - bytesSaid < LINE_BYTES : tenths <= tenthsSaid) return;
      tenthsSaid = tenths;
      bytesSaid = receivedBytes;
      line(
        `  ${label}: ${[fraction === undefined ? '' : percent(fraction), detail].filter((part) => part !== '').join('  ')}`,
      );
    },
    end() {},
  };
}

/** @param {number} fraction */
const percent = (fraction) => `${Math.floor(fraction * 100)} %`;

/** @param {number} bytes */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
