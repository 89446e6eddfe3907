// Owns a random secret in a file: made once, for its owner's eyes only, the same at every start.
import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';

const SECRET_BYTES = 32;

/** Of a file that is damaged nothing is used: what was signed with it is as good as withdrawn. */
export async function keptSecret(path: string): Promise<Buffer> {
  const kept = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (kept?.length === SECRET_BYTES) return kept;
  const secret = randomBytes(SECRET_BYTES);
  const file = await open(`${path}.part`, 'w', 0o600);
  await file
    .writeFile(secret)
    .then(() => file.sync())
    .finally(() => file.close());
  await rename(`${path}.part`, path);
  return secret;
}
