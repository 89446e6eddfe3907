import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lintCompose, lintDockerfile, readStages } from './lint.ts';

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
const dockerfile = read('Dockerfile');
const base = read('compose.yaml');
const gpu = read('compose.gpu.yaml');

/** Fails when there is nothing to replace, so that no case goes stale. */
function spoil(text: string, from: string | RegExp, to: string): string {
  const spoilt = text.replace(from, to);
  expect(spoilt).not.toBe(text);
  return spoilt;
}

describe('Dockerfile', () => {
  test('is sound', () => {
    expect(lintDockerfile(dockerfile)).toEqual([]);
  });

  test('gives both images all but the engine from one stage', () => {
    const stages = readStages(dockerfile);
    const [cpu, cuda] = ['cpu', 'cuda'].map((target) => stages.find(({ name }) => name === target));
    expect(cpu?.base).toBe('runtime');
    expect(cuda?.base).toBe('runtime');
    expect(cpu?.instructions.map(({ word, rest }) => `${word} ${rest}`)).toEqual([
      'COPY --from=engine-cpu /engine/ /engine/',
    ]);
  });

  const mistakes: [string, string | RegExp, string, RegExp][] = [
    ['an unknown instruction', 'WORKDIR', 'WORKDIRR', /line \d+: Unknown instruction/],
    ['an unknown flag', 'COPY --from=node', 'COPY --form=node', /Unknown flag/],
    ['a missing argument', 'USER 1000:1000', 'USER', /Instruction has no arguments/],
    ['a missing target', 'AS cuda\n', 'AS gpu\n', /no stage 'cuda'/],
    ['a copy from nowhere', '--from=engine-cpu', '--from=engine', /no earlier stage 'engine'/],
    ['an image without a version', 'node:24-trixie-slim', 'node', /'node' is neither/],
    ['a moving image', 'node:24-trixie-slim', 'node:latest', /'node:latest' is neither/],
    ['no user', /USER .*\n/, '', /target 'cpu' runs as root/],
    ['the root user', 'USER 1000:1000', 'USER root', /target 'cpu' runs as root/],
    ['a missing volume', '["/models", "/data"]', '["/models"]', /target 'cpu' has no volume \/data/],
    ['no health check', /HEALTHCHECK .*\n.*\n/, '', /target 'cpu' has no health check/],
    ['another base for one image', 'FROM runtime AS cuda', 'FROM node AS cuda', /target 'cuda' runs as root/],
    ['no init', 'ENTRYPOINT ["tini", "--"]\n', '', /target 'cpu' has no init/],
  ];
  for (const [name, from, to, complaint] of mistakes) {
    test(`is refused with ${name}`, () => {
      expect(lintDockerfile(spoil(dockerfile, from, to)).join('\n')).toMatch(complaint);
    });
  }
});

describe('compose files', () => {
  test('are sound', () => {
    expect(lintCompose({ base, gpu, dockerfile })).toEqual([]);
  });

  const mistakes: [string, 'base' | 'gpu', string | RegExp, string, RegExp][] = [
    ['broken YAML', 'base', 'services:', 'services: {', /compose\.yaml: /],
    ['a misspelt key', 'base', 'environment:', 'enviroment:', /Unrecognized key: "enviroment"/],
    ['an unknown stage', 'base', 'target: cpu', 'target: cpus', /no stage 'cpus'/],
    ['an undeclared volume', 'base', /^ {2}data:\n/m, '', /volume 'data' is not declared/],
    ['a folder that is lost with its container', 'base', '- models:/models\n', '', /nothing is mounted at \/models/],
    ['no port', 'base', /ports:\n.*\n.*\n/, 'ports: []\n', /no port is published/],
    ['a service that is laid over nothing', 'gpu', 'whispergate:\n', 'gateway:\n', /has no service 'gateway'/],
    ['no GPU', 'gpu', /deploy:[\s\S]*$/, '', /no GPU is reserved/],
    ['a misspelt reservation', 'gpu', 'capabilities', 'capability', /Unrecognized key: "capability"/],
  ];
  for (const [name, file, from, to, complaint] of mistakes) {
    test(`are refused with ${name}`, () => {
      const files = { base, gpu, dockerfile };
      files[file] = spoil(files[file], from, to);
      expect(lintCompose(files).join('\n')).toMatch(complaint);
    });
  }
});
