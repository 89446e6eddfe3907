#!/usr/bin/env node
// The real engine behind a tap: keeps the audio of every inference in TAP_FOLDER, so that a test sees where a recording was cut,
// and has the engine take the likeliest word each time: its beam search draws words by lot, so that it writes the same sound otherwise
// each time that it is asked.
// Takes the engine's flags, listens on the port it is given, and passes everything else on.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { join } from 'node:path';

/** Without it an engine would outlive a tap that is killed. */
const SETPRIV = '/usr/bin/setpriv';
/** As the gateway writes it, and in as many bytes. */
const BEAMS = 'name="beam_size"\r\n\r\n5\r\n';
const NO_BEAMS = BEAMS.replace('5', '1');
const { TAP_FOLDER = '', TAP_ENGINE = '' } = process.env;
const engineArguments = process.argv.slice(2);
const portIndex = engineArguments.indexOf('--port') + 1;
const ownPort = Number(engineArguments[portIndex]);
const socket = createSocket().listen(0, '127.0.0.1', () => {
  const address = socket.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  socket.close(() => start(port));
});

function start(enginePort: number): void {
  engineArguments[portIndex] = String(enginePort);
  const [command = '', ...commandArguments] = [
    ...(existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : []),
    ...[TAP_ENGINE, ...engineArguments],
  ];
  const engine = spawn(command, commandArguments, { stdio: 'inherit' });
  engine.once('exit', (code) => process.exit(code ?? 1));
  process.on('exit', () => engine.kill('SIGKILL'));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => engine.kill(signal));
  let count = 0;
  createServer(async (incoming, answer) => {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const body = Buffer.concat(pieces);
    if (incoming.url?.endsWith('/inference')) {
      count += 1;
      const audioAt = body.indexOf('RIFF');
      const fieldAt = body.subarray(0, audioAt).indexOf(BEAMS);
      if (fieldAt < 0) throw new Error('The form of an inference is not what the tap knows.');
      body.write(NO_BEAMS, fieldAt);
      writeFileSync(join(TAP_FOLDER, `${process.pid}-${count}.wav`), body.subarray(audioAt));
    }
    const { method, headers, url: path } = incoming;
    const passed = request({ host: '127.0.0.1', port: enginePort, method, path, headers }, (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(answer);
    });
    passed.once('error', () => answer.destroy());
    answer.once('close', () => passed.destroy());
    passed.end(body);
  }).listen(ownPort, '127.0.0.1');
}
