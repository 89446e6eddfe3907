// curl, as people type it: the bytes of an answer as they are.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface CurlAnswer {
  status: number;
  headers: Headers;
  body: string;
}

export async function curl(url: string, ...options: string[]): Promise<CurlAnswer> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-i', ...options, url]);
  // An interim `100 Continue` comes first when the upload is large.
  const answer = stdout.replace(/^(HTTP\/1\.1 100 .*\r\n\r\n)+/, '');
  const split = answer.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = answer.slice(0, split).split('\r\n');
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Headers(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])),
    body: answer.slice(split + 4),
  };
}
