// Compiles network.ts to ../network.wasm, which is kept in the repository so that nobody needs the compiler to run the gateway;
// with --check it fails when the file is not what network.ts says.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const COMPILED = new URL('../network.wasm', import.meta.url);

/** @type {Buffer | undefined} */
let compiled;
const { error, stderr } = await asc.main(
  ['network.ts', '-O3', '--noAssert', '--runtime', 'stub', '--enable', 'relaxed-simd', '--outFile', 'network.wasm'],
  {
    readFile: (name) => readFile(new URL(name, import.meta.url), 'utf8').catch(() => null),
    writeFile: (_name, contents) => {
      compiled = Buffer.from(contents);
    },
    listFiles: () => [],
  },
);
if (error || !compiled) throw new Error(`network.ts does not compile: ${stderr}`, { cause: error });

if (!process.argv.includes('--check')) {
  await writeFile(COMPILED, compiled);
} else if (!compiled.equals(await readFile(COMPILED))) {
  console.error(
    `${fileURLToPath(COMPILED)} is not what network.ts says. Run: node src/ingest/silero/assembly/compile.mjs`,
  );
  process.exit(1);
}
