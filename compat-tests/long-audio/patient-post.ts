// A request whose answer takes longer than `fetch` waits for one: it gives up after five minutes.
import { request } from 'node:http';

export async function post(url: string, form: FormData): Promise<{ status: number; text: string }> {
  const encoded = new Response(form);
  const body = Buffer.from(await encoded.arrayBuffer());
  const headers = { 'content-type': encoded.headers.get('content-type') ?? '', 'content-length': body.length };
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const asked = request(url, { method: 'POST', headers }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text })).once('error', reject);
  });
  asked.once('error', reject).end(body);
  return promise;
}
